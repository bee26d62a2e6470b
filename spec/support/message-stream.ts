import type { Message } from '../../actors/inspection/protocol.js';
import type { Resource } from './resources.js';

type MessageOf<Type extends Message['type']> = Extract<Message, { type: Type }>;

/** The messages of an inspection, read as they come. */
export class MessageReader implements Resource {
  readonly messages: Message[] = [];
  readonly #abort = new AbortController();
  readonly #reading: Promise<void>;

  /** @param url of the stream */
  constructor(url: string) {
    this.#reading = this.#read(url).catch((error: unknown) => {
      if (!this.#abort.signal.aborted) throw error;
    });
  }

  all<Type extends Message['type']>(type: Type): MessageOf<Type>[] {
    return this.messages.filter((message): message is MessageOf<Type> => message.type === type);
  }

  last<Type extends Message['type']>(type: Type): MessageOf<Type> | undefined {
    return this.all(type).at(-1);
  }

  async remove(): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }

  async #read(url: string): Promise<void> {
    const { body } = await fetch(url, { signal: this.#abort.signal });
    let text = '';
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      const frames = (text + chunk).split('\n\n');
      text = frames.pop()!;
      for (const frame of frames) {
        const [, data] = /^data: (.*)$/m.exec(frame) ?? [];
        if (data !== undefined) this.messages.push(JSON.parse(data) as Message);
      }
    }
  }
}
