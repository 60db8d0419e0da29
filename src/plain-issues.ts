import type { z } from 'zod'

const TYPES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'an object',
  string: 'text',
}

/**
 * Describes what is wrong with a value in plain words, for `safeParse`: zod's own messages are for whoever wrote the
 * schema. Rules with a message of their own keep it.
 *
 * @returns undefined: zod's message will do
 */
export function plainIssue(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    const wanted = `must be ${TYPES[issue.expected] ?? issue.expected}`
    return issue.input === undefined ? `is missing; it ${wanted}` : wanted
  }
  if (issue.code === 'invalid_value') {
    const [only] = issue.values
    return issue.values.length === 1 ? `must be "${String(only)}"` : `must be one of ${issue.values.join(', ')}`
  }
  if (issue.code === 'invalid_format' && issue.format === 'url') return 'must be a URL that begins with https://'
  const unit = { string: ' characters', array: ' entries' }[issue.origin as string]
  const must = unit === undefined ? 'must be' : 'must have'
  if (issue.code === 'too_small') {
    if (unit !== undefined && issue.minimum === 1) return 'must not be empty'
    if (issue.inclusive === false) return `${must} above ${issue.minimum}${unit ?? ''}`
    return `${must} ${issue.minimum}${unit ?? ''} or more`
  }
  if (issue.code === 'too_big') return `${must} at most ${issue.maximum}${unit ?? ''}`
  return undefined
}
