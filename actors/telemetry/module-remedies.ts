/** Causes and remedies of the errors of inserting a kernel module, by the name of the kernel's error. */

/** The facts that explain a refused kernel module. */
export interface ModuleFacts {
  /** Of the running kernel, as `uname -r` says it. */
  readonly release: string;
  /** The kernel the module was built for, as it says itself; undefined: it is no kernel module. */
  readonly builtFor: string | undefined;
  /** Mode of the kernel's lockdown, if it is known. */
  readonly lockdown?: string;
  /** The kernel takes no modules any more (kernel.modules_disabled). */
  readonly isClosed?: boolean;
}

interface Explanation {
  /** Follows the name of the error; undefined: there is no more to say. */
  readonly cause: string | undefined;
  readonly remedy: string;
}

const SIGN_IT =
  'Sign it with a key of the node (scripts/sign-file of the kernel), and enroll the key on the node (mokutil --import), ' +
  'or boot the node without Secure Boot.';

const unsigned: Explanation = {
  cause:
    'the node takes signed modules only (Secure Boot or module.sig_enforce), and has no key for this one',
  remedy: SIGN_IT,
};

/** @param errno by name */
export function explainModule(errno: string, facts: ModuleFacts): Explanation {
  const explain = explanations[errno];
  return (
    explain?.(facts) ?? {
      cause: undefined,
      remedy: 'Report this with the output of "dmesg | tail" on the node.',
    }
  );
}

const explanations: Readonly<Record<string, (facts: ModuleFacts) => Explanation>> = {
  ENOSYS: ({ release }) => ({
    cause: `the kernel ${release} was built without loadable modules (CONFIG_MODULES)`,
    remedy: 'Boot the node with a kernel that has them.',
  }),
  EPERM: ({ lockdown, isClosed }) => {
    if (lockdown === 'integrity' || lockdown === 'confidentiality')
      return { cause: `it is in lockdown=${lockdown}, and takes signed modules only`, remedy: SIGN_IT };
    if (isClosed === true)
      return {
        cause: 'it takes no modules until the node boots again (kernel.modules_disabled is 1)',
        remedy:
          "Take kernel.modules_disabled=1 out of the node's sysctl settings (grep -r modules_disabled /etc/sysctl*), and boot " +
          'it again.',
      };
    return {
      cause: 'it is not permitted, although CAP_SYS_MODULE is there',
      remedy:
        'Let seccomp profile and security module of the collector container allow finit_module: privileged: true does, and ' +
        '"dmesg | tail" on the node says who denied it.',
    };
  },
  ENOEXEC: ({ release, builtFor }) =>
    builtFor === undefined
      ? {
          cause: 'it is no kernel module, or a damaged one',
          remedy: 'Replace it by one that "npm run drivers" has made.',
        }
      : {
          cause:
            builtFor === release
              ? `it was built with another configuration of the kernel ${release}`
              : `it was built for the kernel ${builtFor}, and this one is ${release}`,
          remedy: `Build it for ${release} ("npm run drivers" takes the headers of that kernel).`,
        },
  EINVAL: ({ release, builtFor }) => ({
    cause: `it was built with other headers${builtFor === undefined ? '' : ` (${builtFor})`} than those of ${release}`,
    remedy: `Build it anew with the headers of ${release}, from the same package as the kernel: "npm run drivers".`,
  }),
  ENOENT: ({ release }) => ({
    cause: `it needs something that the kernel ${release} does not have`,
    remedy:
      '"dmesg | tail" on the node names the unknown symbol or tracepoint. Build the module with the headers of this very ' +
      'kernel: "npm run drivers".',
  }),
  ENOKEY: () => unsigned,
  EKEYREJECTED: () => unsigned,
  EBADMSG: () => ({ cause: 'its signature is damaged', remedy: 'Sign it anew, or deploy it again.' }),
};
