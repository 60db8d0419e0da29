import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { z } from 'zod'
import { list, time } from '../../src/admin/answers.ts'
import { gunInput } from '../../src/admin/inputs.ts'
import { openApi } from '../../src/admin/openapi.ts'
import { operation, type Operation } from '../../src/admin/operation.ts'
import { OPERATIONS } from '../../src/admin/operations.ts'
import { startTestServer } from '../support/server.ts'

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly parameters: readonly object[] }>>>>
  readonly components: { readonly schemas: object }
}

test('docs/openapi.json matches the operations', async () => {
  const file = join(import.meta.dirname, '..', '..', 'docs', 'openapi.json')
  const written = JSON.parse(await readFile(file, 'utf8')) as object
  assert.deepEqual(written, asJson(openApi(OPERATIONS)), 'docs/openapi.json is out of date: run ./scripts/openapi')
})

test('a running server serves its own OpenAPI document, and makes it once', async (t) => {
  const server = await startTestServer({ transport: 'plain' })
  t.after(() => server.stop())
  const socketPath = join(server.directory, 'data', 'control.sock')
  const served = (): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      request({ socketPath, path: '/api/v1/openapi.json' }, (response) => {
        text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
      })
        .on('error', reject)
        .end()
    })
  const { status, body } = await served()
  assert.equal(status, 200)
  assert.deepEqual(JSON.parse(body), asJson(openApi(OPERATIONS)))
  const { mock } = t.mock.method(OPERATIONS[0] as Operation, 'answer')
  assert.equal((await served()).body, body)
  assert.equal(mock.callCount(), 0)
})

test('inputs are placed in path, query, headers and body; answers may get more members', () => {
  const input = {
    gun: gunInput,
    tag: z.string(),
    ifMatch: z.string().optional(),
    digest: z.string(),
    size: z.number().int().optional(),
  }
  const answer = z.object({ tags: list(z.object({ tag: z.string(), since: time }).meta({ id: 'SignedTag' })) })
  const run = async (): Promise<z.output<typeof answer>> => ({ tags: [] })
  const sign = { name: 'tag.sign', summary: 'Sign.', action: 'sign', answer: () => answer, run } as const
  const put = operation({ ...sign, method: 'PUT', path: '/repositories/:gun/tags/:tag', input: z.strictObject(input) })
  const found = operation({
    ...sign,
    name: 'tag.found',
    method: 'GET',
    path: '/found',
    input: z.strictObject({ digest: z.string(), limit: z.coerce.number().int().default(10) }),
  })
  const { paths, components } = asJson(openApi([put, found])) as Document
  const string = { type: 'string' }
  const safe = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }
  assert.deepEqual(paths['/repositories/{gun}/tags/{tag}']?.['put'], {
    operationId: 'tag.sign',
    summary: 'Sign.',
    description: 'Needs "sign" on the repository.',
    parameters: [
      {
        name: 'gun',
        in: 'path',
        required: true,
        schema: { ...string, description: 'name of a repository, docker.io/acme/app say' },
      },
      { name: 'tag', in: 'path', required: true, schema: string },
      { name: 'If-Match', in: 'header', required: false, schema: string },
      {
        name: 'dryRun',
        in: 'query',
        description: 'say what would happen; change nothing',
        required: false,
        schema: { ...string, enum: ['true'] },
      },
    ],
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: {
            type: 'object',
            properties: { digest: string, size: { type: 'integer', ...safe } },
            required: ['digest'],
            additionalProperties: false,
          },
        },
      },
    },
    responses: {
      200: {
        description: 'Done.',
        content: {
          'application/json': {
            schema: {
              type: 'object',
              properties: { tags: { type: 'array', items: { $ref: '#/components/schemas/SignedTag' } } },
              required: ['tags'],
            },
          },
        },
      },
      default: { $ref: '#/components/responses/refused' },
    },
  })
  assert.deepEqual(components.schemas, {
    SignedTag: {
      type: 'object',
      properties: { tag: string, since: { ...string, format: 'date-time' } },
      required: ['tag', 'since'],
    },
  })
  assert.deepEqual(paths['/found']?.['get']?.parameters, [
    { name: 'digest', in: 'query', required: true, schema: string },
    { name: 'limit', in: 'query', required: false, schema: { default: 10, type: 'integer', ...safe } },
  ])
})

test('an operation whose answer lacks a member does not compile', () => {
  const says = { name: 'say', method: 'GET', path: '/say', summary: 'Say.', action: 'own' } as const
  const answer = () => z.object({ all: z.string(), more: z.string().exactOptional() })
  const input = z.strictObject({})
  assert.ok(operation({ ...says, input, answer, run: async () => ({ all: '' }) }))
  // @ts-expect-error: without `all`
  assert.ok(operation({ ...says, input, answer, run: async () => ({ more: '' }) }))
})

function asJson(document: object): object {
  return JSON.parse(JSON.stringify(document)) as object
}
