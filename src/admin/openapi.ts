import { z } from 'zod'
import type { Operation } from './operation.ts'
import { ADMIN_PREFIX, PARAMETER, placeOf } from './request.ts'

type Json = Readonly<Record<string, unknown>>

const DRY_RUN = {
  name: 'dryRun',
  in: 'query',
  description: 'say what would happen; change nothing',
  required: false,
  schema: { type: 'string', enum: ['true'] },
}

const REFUSED = {
  description: 'Refused, or failed.',
  content: {
    'application/json': {
      schema: {
        type: 'object',
        properties: {
          error: {
            type: 'object',
            properties: { code: { type: 'string' }, message: { type: 'string' }, hint: { type: 'string' } },
            required: ['code', 'message'],
          },
        },
        required: ['error'],
      },
    },
  },
}

/** Returns the admin API as an OpenAPI 3.1 document. Pure: equal operations give an equal document. */
export function openApi(operations: readonly Operation[]): object {
  const { answers, schemas } = answersOf(operations)
  const paths: Record<string, Record<string, Json>> = {}
  for (const operation of operations) {
    const path = operation.path.replace(PARAMETER, '{$1}')
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: described(operation, answers[operation.name]) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Countersign admin API',
      version: '1',
      description: 'The name of a repository is one path segment, percent-encoded: docker.io%2Facme%2Fapp.',
    },
    servers: [{ url: ADMIN_PREFIX }],
    paths,
    components: { schemas, responses: { refused: REFUSED } },
  }
}

/** Returns the response schema of each operation by name, and the named schemas that these refer to. */
function answersOf(operations: readonly Operation[]): { answers: Json; schemas: Json } {
  const all = z.object(Object.fromEntries(operations.map(({ name, answer }) => [name, answer()])))
  const { properties = {}, $defs = {} } = z.toJSONSchema(all, { io: 'output', override: loosened })
  const text = JSON.stringify({ answers: properties, schemas: $defs })
  return JSON.parse(text.replaceAll('"$ref":"#/$defs/', '"$ref":"#/components/schemas/')) as ReturnType<
    typeof answersOf
  >
}

/** Allows unknown members, so that clients accept new ones; and drops patterns that a format already implies. */
function loosened({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern
  delete jsonSchema.readOnly
}

function described(operation: Operation, answer: unknown): Json {
  const { name, method, summary, action, input } = operation
  const { properties = {}, required = [] } = z.toJSONSchema(input, { io: 'input' })
  const parameters: Json[] = []
  const body: Record<string, unknown> = {}
  for (const [member, schema] of Object.entries(properties)) {
    const place = placeOf(operation, member)
    if (place === 'body') body[member] = schema
    else {
      const written = place === 'header' ? 'If-Match' : member
      parameters.push({ name: written, in: place, required: required.includes(member), schema })
    }
  }
  return {
    operationId: name,
    summary,
    description:
      action === 'own'
        ? 'For every user, on their own tokens.'
        : `Needs "${action}" on ${placeToBeAllowed('gun' in properties, required.includes('gun'))}.`,
    parameters: method === 'GET' ? parameters : [...parameters, DRY_RUN],
    ...(Object.keys(body).length === 0 ? {} : { requestBody: bodyOf(body, required) }),
    responses: {
      200: { description: 'Done.', content: { 'application/json': { schema: answer } } },
      default: { $ref: '#/components/responses/refused' },
    },
  }
}

function placeToBeAllowed(namesGuns: boolean, always: boolean): string {
  if (!namesGuns) return 'the server itself'
  return always ? 'the repository' : 'all repositories that "gun" names; without it on the server itself'
}

function bodyOf(properties: Json, required: readonly string[]): Json {
  const needed = required.filter((member) => member in properties)
  const schema = { type: 'object', properties, required: needed, additionalProperties: false }
  return { required: needed.length > 0, content: { 'application/json': { schema } } }
}
