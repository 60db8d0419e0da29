import { InvalidArgumentError } from 'commander'

/** Options that mean the same in every command. */
export const JSON_OPTION = ['--json', 'print as JSON'] as const
export const DRY_RUN_OPTION = ['--dry-run', 'say what would happen; change nothing'] as const

/** Parses an option's whole number. @returns a parser for commander, which names the option in errors */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`
  return (text) => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && number <= most) return number
    throw new InvalidArgumentError(`It takes a whole number, ${range}.`)
  }
}
