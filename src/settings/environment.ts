import { z } from 'zod'
import { isVariable, leaves, nearest, variableOf } from './names.ts'
import { serviceLinks } from './service-links.ts'

/**
 * Reads the settings in the environment, not yet checked.
 *
 * @returns values by the names of settings, and a sentence for each variable that looks like a setting and is none
 */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): {
  values: Map<string, unknown>
  mistakes: string[]
} {
  const values = new Map<string, unknown>()
  const mistakes: string[] = []
  const byVariable = new Map(leaves().map((leaf) => [variableOf(leaf.name), leaf]))
  const links = serviceLinks(environment)
  for (const [variable, text] of Object.entries(environment)) {
    if (!isVariable(variable) || text === undefined) continue
    const leaf = byVariable.get(variable)
    if (leaf !== undefined) values.set(leaf.name, fromText(leaf.schema, text))
    else if (!links.has(variable)) {
      mistakes.push(`${variable}: unknown setting; the nearest is ${nearest(variable, [...byVariable.keys()])}`)
    }
  }
  return { values, mistakes }
}

/**
 * Parses a value from the environment, where numbers and lists are plain text, and lists of objects are JSON. Leaves
 * what does not fit for the schema to refuse.
 */
function fromText(schema: z.ZodType, text: string): unknown {
  if (schema instanceof z.ZodBoolean) return text === 'true' || (text === 'false' ? false : text)
  if (schema instanceof z.ZodNumber) return text.trim() === '' ? text : Number(text)
  if (schema instanceof z.ZodArray && schema.element instanceof z.ZodObject) return jsonOf(text)
  if (schema instanceof z.ZodArray) return text === '' ? [] : text.split(',').map((item) => item.trim())
  return text
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
