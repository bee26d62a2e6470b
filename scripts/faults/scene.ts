import path from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlackHole } from '../lab/black-hole.js';
import { eventually } from '../lab/eventually.js';
import type { Resource } from '../lab/resource.js';
import { Authority, writeIdentity, type Validity } from '../sensor/certificates.js';
import { SensorDouble } from '../sensor/double.js';
import type { Counts } from './counts.js';
import { Inbox } from './inbox.js';
import { addLosses, type Ledger } from './ledger.js';
import { Life } from './life.js';
import { Load } from './load.js';

const SERVER_NAME = 'sensor.stackrox';
const OPEN_MS = 40_000;

/** Reports every second, without afterglow, for each end of a connection to be told at once. */
const PROMPT = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };

/** How a scene differs from the plainest. */
export interface SceneOptions {
  /** How long Collector's first certificate is valid, s; default: a day. */
  readonly validSeconds?: number;
}

/** How a life of Collector differs from the plainest. */
export interface StartOptions {
  /** Where it looks for Sensor; default: where Sensor is. */
  readonly server?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly through?: readonly string[];
}

/** A load in containers, a Sensor double with TLS, the way there, and lives of Collector. All goes with `remove`. */
export class Scene implements Resource {
  readonly load: Load;
  readonly sensor: SensorDouble;
  /** A way to Sensor, able to lose everything on it. */
  readonly way: BlackHole;
  readonly inbox: Inbox;
  readonly lives: Life[] = [];
  /** For files. */
  readonly folder: string;
  /** Time of Sensor for each message, ms. */
  slowness = 0;
  readonly #authority: Authority;
  readonly #kept: Resource[];

  private constructor(
    parts: {
      load: Load;
      sensor: SensorDouble;
      way: BlackHole;
      inbox: Inbox;
      folder: string;
      authority: Authority;
    },
    kept: Resource[],
  ) {
    ({ load: this.load, sensor: this.sensor, way: this.way, inbox: this.inbox, folder: this.folder } = parts);
    this.#authority = parts.authority;
    this.#kept = kept;
  }

  static async set({ validSeconds }: SceneOptions = {}): Promise<Scene> {
    const kept: Resource[] = [];
    present.add(kept);
    const keep = <T extends Resource>(made: T): T => {
      kept.push(made);
      return made;
    };
    try {
      const folder = mkdtempSync(path.join(tmpdir(), 'collector-faults-'));
      keep({ remove: () => rmSync(folder, { recursive: true }) });
      const load = keep(await Load.create());
      const inbox = new Inbox(load.container.shortId, load.containers);
      const authority = await Authority.create('Faults');
      const { certificate, key } = await authority.issue({ commonName: SERVER_NAME });
      let pause: () => Promise<void> | undefined = () => undefined;
      const sensor = await SensorDouble.start({
        tls: { ca: authority.certificate, cert: certificate, key },
        keep: 0,
        onEvent: (event) => {
          inbox.take(event);
          return pause();
        },
      });
      keep({ remove: () => sensor.stop() });
      const way = keep(await BlackHole.before(sensor.address));
      const scene = new Scene({ load, sensor, way, inbox, folder, authority }, kept);
      pause = () => (scene.slowness > 0 ? sleep(scene.slowness) : undefined);
      await scene.certify(
        validSeconds === undefined ? {} : { notAfter: new Date(Date.now() + validSeconds * 1000) },
      );
      return scene;
    } catch (error) {
      await removeAll(kept);
      throw error;
    }
  }

  /** Folder of Collector's certificate. */
  get certificates(): string {
    return path.join(this.folder, 'certificates');
  }

  /** Gives Collector a new certificate. */
  async certify(validity: Validity = {}): Promise<void> {
    const identity = await this.#authority.issue({ commonName: 'collector', ...validity });
    writeIdentity(this.certificates, this.#authority, identity);
  }

  /** Takes something away with the scene. */
  keep<T extends Resource>(made: T): T {
    this.#kept.push(made);
    return made;
  }

  /** Starts Collector, without a wait until it collects. */
  start({ server = this.sensor.address, args = [], env = {}, through = [] }: StartOptions = {}): Life {
    const settings = { ...PROMPT, ROX_COLLECTOR_TLS_CERTS: this.certificates, ...env };
    const life = this.keep(new Life([`--grpc-server=${server}`, ...args], { env: settings, through }));
    this.lives.push(life);
    return life;
  }

  /** Starts Collector, and waits until events flow to Sensor. */
  async collect(options: StartOptions = {}): Promise<Life> {
    const before = this.inbox.opened;
    const life = this.start(options);
    await life.ready();
    await eventually(() => this.inbox.opened >= before + 2, 'both streams to Sensor are open', OPEN_MS);
    return life;
  }

  /** The ledger by now. @param unwatched number of times without a Collector */
  ledger(made: Counts, unwatched = 0): Ledger {
    return {
      made,
      delivered: this.inbox.counts,
      unwatched: this.inbox.unwatched(made, unwatched),
      losses: addLosses(this.lives.flatMap(({ losses }) => losses)),
      isShared: this.inbox.isShared,
    };
  }

  async remove(): Promise<void> {
    await removeAll(this.#kept);
  }
}

/** The resources of the present scenes. */
const present = new Set<Resource[]>();

/** Removes all scenes, at the end of an interrupted process. */
export async function removeScenes(): Promise<void> {
  await Promise.allSettled([...present].map(removeAll));
}

/** Removes all, the latest first, also after errors. @throws AggregateError */
async function removeAll(kept: Resource[]): Promise<void> {
  present.delete(kept);
  const errors: unknown[] = [];
  for (const resource of kept.splice(0).reverse()) {
    try {
      await resource.remove();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, `Not removed: ${errors.map(String).join('; ')}`);
}
