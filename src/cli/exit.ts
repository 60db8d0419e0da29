/** Exit codes, for scripts. */
export const EXIT = {
  ok: 0,
  /** The answer is "no": findings, no such repository, not confirmed. */
  negative: 1,
  /** The command failed; `error:` says why. */
  failed: 2,
} as const
