import type { EventsMessage, Message } from '../protocol.js';

/** Services of the shell for a tab. */
export interface TabContext {
  /**
   * GET of a path of this origin, such as `/inspect/node`.
   * @returns the parsed body @throws FetchError: no answer, or a status other than 2xx
   */
  readonly fetchJson: <T>(path: string) => Promise<T>;
  /** Puts the tab's own query into the address bar, without an entry in the history; ignored while it is hidden. */
  readonly setQuery: (query: URLSearchParams) => void;
  /**
   * Asks for the events of the kernel: opens the stream anew with `?events`, and without it after the last listener.
   * @returns the end of the subscription
   */
  readonly subscribeEvents: (listener: (message: EventsMessage) => void) => () => void;
  /** Collector's Unix time, ms: that of this browser, corrected by the messages; in a replay, the shown time. */
  readonly now: () => number;
  /** Whether messages come; the shell says so itself, a tab may stop asking meanwhile. */
  readonly isConnected: () => boolean;
}

/** A view with an address of its own: `#node`, `#events`. Its element is the content of a `role=tabpanel`. */
export interface Tab {
  readonly element: HTMLElement;
  /** Its tab was chosen, or its query changed in the address bar. */
  show(query: URLSearchParams): void;
  hide(): void;
  /** Each message, whether or not the tab is shown. */
  message?(message: Message): void;
  /** Puts the focus into its filter: the key `/`. */
  focusFilter?(): void;
}

/** A failed request. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
  /** @param status of HTTP; 0: no answer */
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}
