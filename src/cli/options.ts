/** Options that mean the same in every command that has them. */
export const JSON_OPTION = ['--json', 'print as JSON'] as const
export const DRY_RUN_OPTION = ['--dry-run', 'say what would happen; change nothing'] as const
