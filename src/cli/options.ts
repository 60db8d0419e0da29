import { InvalidArgumentError } from 'commander'

/** Options that mean the same in every command that has them. */
export const JSON_OPTION = ['--json', 'print as JSON'] as const
export const DRY_RUN_OPTION = ['--dry-run', 'say what would happen; change nothing'] as const

/** Reads what an option that takes a whole number was given. @returns for commander, which names the option */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`
  return (text) => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && number <= most) return number
    throw new InvalidArgumentError(`It takes a whole number, ${range}.`)
  }
}
