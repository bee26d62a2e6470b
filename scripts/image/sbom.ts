/**
 * Prints the parts of the image as CycloneDX: npm's description of the packages in the bundle, Node, and the Debian
 * packages given as arguments, with their libraries beside the bundle.
 */
import { execFileSync } from 'node:child_process';

interface Sbom {
  serialNumber?: string;
  metadata: { timestamp?: string };
  components: { type: string; name: string; version: string; purl: string }[];
}

function printed(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' });
}

const npm = printed('npm', 'sbom', '--sbom-format=cyclonedx', '--omit=dev', '--package-lock-only');
const sbom = JSON.parse(npm) as Sbom;
// They would make the image another one at each build.
delete sbom.serialNumber;
delete sbom.metadata.timestamp;

const { node } = process.versions;
sbom.components.push({ type: 'application', name: 'node', version: node, purl: `pkg:generic/node@${node}` });
for (const name of process.argv.slice(2)) {
  const version = printed('dpkg-query', '--show', '--showformat=${Version}', name);
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}`;
  sbom.components.push({ type: 'library', name, version, purl });
}
console.log(JSON.stringify(sbom, null, 1));
