// Prints what the image is made of, as CycloneDX: what npm says of the packages in the bundle, and Node and the Debian packages
// given as arguments, whose libraries are beside it.
import { execFileSync } from 'node:child_process';

const sbom = JSON.parse(
  execFileSync('npm', ['sbom', '--sbom-format=cyclonedx', '--omit=dev', '--package-lock-only'], { encoding: 'utf8' }),
);
// They differ from one run to the next, and say nothing.
delete sbom.serialNumber;
delete sbom.metadata.timestamp;
sbom.components.push({
  type: 'application',
  name: 'node',
  version: process.versions.node,
  purl: `pkg:generic/node@${process.versions.node}`,
});
for (const name of process.argv.slice(2)) {
  const version = execFileSync('dpkg-query', ['--show', '--showformat=${Version}', name], { encoding: 'utf8' });
  sbom.components.push({ type: 'library', name, version, purl: `pkg:deb/debian/${name}@${encodeURIComponent(version)}` });
}
console.log(JSON.stringify(sbom, null, 1));
