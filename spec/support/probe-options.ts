/** How most specs load the BPF programs: those built in, without what is told about UDP, and unmeasured. */
export const plainProbe = {
  object: '',
  pending: false,
  arguments: true,
  cgroupRoot: '',
  udpWindow: 0,
  udpListeners: false,
  runTime: false,
} as const;
