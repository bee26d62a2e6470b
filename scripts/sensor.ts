/**
 * The Sensor double: `npm run sensor -- [arguments]`. Sensor itself is no part of this project; this stands in for it, for
 * developers and tests. It prints one JSON line for each thing that happens, and obeys JSON commands on standard input.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Authority, writeIdentity } from './sensor/certificates.js';
import { obey } from './sensor/commands.js';
import { controlMessage, type ControlLists } from './sensor/control.js';
import { SensorDouble } from './sensor/double.js';

const HELP = `Usage: npm run sensor -- [arguments]

Stands in for Sensor: takes both streams of a collector on 127.0.0.1 and prints
one JSON line for each message. It is a double for developers and tests.

  --port=<number>            Port on 127.0.0.1. Default: 9998.
  --certs=<folder>           Mutual TLS with ca.pem, cert.pem and key.pem in it.
                             Without it: plain text.
  --make-certs=<folder>      Make an authority, <folder>/server for --certs and
                             <folder>/client for ROX_COLLECTOR_TLS_CERTS, and exit.
  --network=<cidr>           A network that Sensor knows; can be repeated.
  --public-ip=<address>      A public address of the cluster; can be repeated.
  --kernel-objects=<folder>  Serve <folder>/<module version>/<file> as
                             /kernel-objects/<module version>/<file>.
  --help                     Print this text and exit.

Commands, one JSON object a line on standard input:
  {"control":{"networks":["10.0.0.0/8"],"publicIps":["203.0.113.7"]}}
  {"raw":"<base64>"}         Send these bytes as a control message.
  {"stall":"signals"}        Read no more of signals, network or both.
  {"resume":"both"}
  {"hangup":"network"}       End these streams with a status.
  {"reset":true}             Break all connections without a word.
  {"refuse":true}            Take no connections; false: take them again.
  {"unimplemented":true}     Answer as a gRPC server that is not Sensor.
  {"exit":true}
`;

/** Names that a cluster's Sensor has, and where the double listens. */
const SERVER_NAMES = ['sensor.stackrox', 'sensor.stackrox.svc', 'localhost', '127.0.0.1'];

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9998' },
      certs: { type: 'string' },
      'make-certs': { type: 'string' },
      network: { type: 'string', multiple: true },
      'public-ip': { type: 'string', multiple: true },
      'kernel-objects': { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return;
  }
  if (values['make-certs'] !== undefined) {
    await makeCertificates(values['make-certs']);
    return;
  }
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : NaN;
  if (!(port <= 65_535))
    throw new Error(
      `Bad value '${values.port}' for argument --port (allowed: 0 to 65535; 0 takes any that is free)`,
    );
  const lists: ControlLists = {
    ...(values.network && { networks: values.network }),
    ...(values['public-ip'] && { publicIps: values['public-ip'] }),
  };
  controlMessage(lists); // complains now, not when the first collector comes
  const double = await SensorDouble.start({
    port,
    ...(values.certs !== undefined && { tls: readCertificates(values.certs) }),
    ...(values['kernel-objects'] !== undefined && { kernelObjects: values['kernel-objects'] }),
    ...(values.network || values['public-ip'] ? { control: lists } : {}),
    onHappening: print,
  });
  print({ listening: double.address });
  await obeyed(double);
  await double.stop();
}

/** Obeys commands until one of them, or a signal, ends it. */
async function obeyed(double: SensorDouble): Promise<void> {
  const commands = createInterface(process.stdin);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    commands.on('line', (line) => {
      obey(double, line).then(
        (goesOn) => {
          if (!goesOn) resolve();
        },
        (error: unknown) => print({ error: (error as Error).message }),
      );
    });
  });
  commands.close();
}

async function makeCertificates(folder: string): Promise<void> {
  const authority = await Authority.create('Sensor double');
  const server = await authority.issue({ commonName: 'sensor.stackrox', names: SERVER_NAMES });
  writeIdentity(path.join(folder, 'server'), authority, server);
  writeIdentity(path.join(folder, 'client'), authority, await authority.issue({ commonName: 'collector' }));
}

function readCertificates(folder: string): { ca: Buffer; cert: Buffer; key: Buffer } {
  const read = (name: string): Buffer => {
    try {
      return readFileSync(path.join(folder, name));
    } catch (error) {
      throw new Error(
        `Bad value '${folder}' for argument --certs: ${path.join(folder, name)} cannot be read ` +
          `(allowed: a folder with ca.pem, cert.pem and key.pem, such as --make-certs makes)`,
        { cause: error },
      );
    }
  };
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
