/**
 * The floor plan: which part may import which. A part knows itself, the parts in its row and nothing else of the project.
 * Arrows run one way, from the kernel to Sensor; `actors/wiring` and `collector.ts` wire the parts together.
 */
const common = ['actors/settings', 'actors/shares', 'actors/telemetry', 'proto'];
const state = ['actors/capture', 'actors/containers', 'actors/processes', 'actors/connections'];
const floorPlan = {
  native: [],
  proto: [],
  // Types only: see machines-import-types.
  machines: ['actors/capture', 'actors/drivers', 'actors/sensor', 'actors/wiring'],
  'actors/settings': [],
  'actors/shares': [],
  'actors/telemetry': ['machines'],
  // A recording has messages of an inspection.
  'actors/capture': ['native', 'actors/inspection/protocol', ...common],
  'actors/containers': ['machines', 'actors/capture', ...common],
  'actors/processes': ['actors/capture', 'actors/containers', ...common],
  'actors/connections': ['actors/capture', 'actors/containers', 'actors/processes', ...common],
  'actors/sensor': ['machines', ...state, ...common],
  'actors/drivers': ['actors/sensor', 'actors/capture', ...common],
  'actors/output': ['native', ...state, ...common],
  'actors/profiles': common,
  'actors/inspection': ['machines', 'actors/http', ...state, ...common],
  'actors/http': ['actors/sensor', 'actors/profiles', ...state, ...common],
  'actors/command': ['actors/inspection', 'actors/output', 'actors/containers', ...common],
  'actors/wiring': [
    'native',
    'machines',
    'actors/sensor',
    'actors/drivers',
    'actors/output',
    'actors/http',
    'actors/inspection',
    ...state,
    ...common,
  ],
};

const parts = Object.keys(floorPlan);
const anyOf = (folders) => `^(${folders.join('|')})(/|\\.ts$)`;
const product = '^(collector\\.ts$|(actors|machines|native|proto)/)';
/** What scripts/build.ts bundles. */
const entries = '^(collector|actors/command/main|actors/profiles/worker|actors/inspection/page/app)\\.ts$';
/** In the browser. */
const page = '^actors/inspection/page/';
const project = '^(collector\\.ts$|(actors|machines|native|proto|scripts|spec)/)';

/** Folds: the same facts give the same state. Of an actor that holds state, only these files touch the world. */
const pure = ['^actors/.+/state\\.ts$', '^actors/(processes|connections|containers|shares)/'];
const impure = '^actors/(processes|connections|containers)/(actor|cri)(\\.ts$|/)';

module.exports = {
  forbidden: [
    ...parts.map((part) => ({
      name: `floor-plan:${part}`,
      comment: `${part} may import of the project only: ${floorPlan[part].join(', ') || 'nothing'}. See the table above.`,
      severity: 'error',
      from: { path: anyOf([part]) },
      to: { path: project, pathNot: anyOf([part, ...floorPlan[part]]) },
    })),
    {
      name: 'floor-plan:new-part',
      comment: 'An actor that has no row in the floor plan would be free to import anything: give it one.',
      severity: 'error',
      from: {},
      to: { path: '^actors/', pathNot: anyOf(parts) },
    },
    {
      name: 'native-through-capture',
      comment:
        'The add-on has one user, so that a replayed run needs no kernel: collector.ts goes through capture too.',
      severity: 'error',
      from: { path: '^collector\\.ts$' },
      to: { path: '^native/' },
    },
    {
      name: 'machines-import-types',
      comment: 'A chart names what its phases find, and knows nothing of how: effects are handed in.',
      severity: 'error',
      from: { path: '^machines/' },
      to: { path: '^actors/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'page-is-apart',
      comment: 'The page runs in a browser: of the product it knows the messages, of packages lit-html.',
      severity: 'error',
      from: { path: page },
      to: { pathNot: [page, '^actors/inspection/protocol\\.ts$', '(^|/)node_modules/lit-html/'] },
    },
    {
      name: 'nothing-imports-the-page',
      comment: 'The daemon serves the page as files; specs may try parts of it that need no browser.',
      severity: 'error',
      from: { path: product, pathNot: page },
      to: { path: page },
    },
    {
      name: 'product-without-tools',
      comment: 'What runs on a node knows nothing of how it is built and tested.',
      severity: 'error',
      from: { path: '^collector\\.ts$' },
      to: { path: '^(scripts|spec)/' },
    },
    {
      name: 'nothing-imports-spec',
      comment:
        'Specs import everything, and nothing imports them: what a script and a spec share lives in scripts.',
      severity: 'error',
      from: { pathNot: '^spec/' },
      to: { path: '^spec/' },
    },
    {
      name: 'nothing-imports-collector',
      comment: 'The front door starts the daemon when it is imported; specs run it as a process.',
      severity: 'error',
      from: {},
      to: { path: '^collector\\.ts$' },
    },
    {
      name: 'state-is-pure',
      comment:
        'State is a fold over facts: no I/O, no clock. Wiring belongs in actor.ts. Of node:net, eslint lets only isIP and its like pass.',
      severity: 'error',
      from: { path: pure, pathNot: impure },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(buffer|assert|util|net)$' },
    },
    {
      name: 'state-without-net',
      comment:
        'The fold itself has numbers and rows; text that may be an address is parsed in a file of its own.',
      severity: 'error',
      from: { path: '^actors/.+/state\\.ts$' },
      to: { path: '^(node:)?net$' },
    },
    {
      name: 'state-without-streams',
      comment:
        'RxJS and XState wire and time things, and a log is I/O: they belong in actor.ts and machines/.',
      severity: 'error',
      from: { path: pure, pathNot: impure },
      to: { path: '(^|/)node_modules/(rxjs|xstate|pino)/' },
    },
    {
      name: 'no-cycles',
      comment: 'Files that need each other are one file, or hide a third one.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'Code that no entry of the build reaches is not in the product: use it or delete it.',
      severity: 'error',
      from: { path: entries },
      to: { path: product, pathNot: ['\\.d\\.ts$', entries], reachable: false },
    },
    {
      name: 'no-dev-dependencies-in-product',
      comment:
        'The bundle contains what it imports; a devDependency in it would be shipped without being declared.',
      severity: 'error',
      from: { path: product },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'declared-dependencies',
      comment:
        'A package that package.json does not name is there by accident. Generated code imports what its generator does.',
      severity: 'error',
      from: { pathNot: '^proto/generated/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'resolvable',
      comment:
        'The file or package does not exist. What the build makes (dist/) is not there before the build.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '\\.node$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    // Types are part of the floor plan: an import that vanishes in the build still says who knows whom.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
  },
};
