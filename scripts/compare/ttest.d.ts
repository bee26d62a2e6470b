declare module 'ttest' {
  interface Test {
    /** Two-sided, from 0 to 1. */
    pValue(): number;
    /** 95 % interval of the mean of `left` less the one of `right`. */
    confidence(): [low: number, high: number];
    /** Degrees of freedom. */
    freedom(): number;
  }

  /** @param options `varEqual: false`: Welch's test */
  export default function ttest(
    left: readonly number[],
    right: readonly number[],
    options: { readonly varEqual: boolean },
  ): Test;
}
