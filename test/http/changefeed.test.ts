import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { errorOf, exchange, type Answer } from '../support/exchange.ts'
import { startLocalApp, type LocalApp } from '../support/local-app.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { tufPath } from '../support/upload.ts'

interface Feed {
  readonly count: number
  readonly records: { ID: string; CreatedAt: string; GUN: string; Version: number; SHA256: string; Category: string }[]
}

const GUN = 'cf.example/a'
const OTHER = 'cf.example/b'

/** Seven changes of one repository, six publishes and a delete, among those of another. */
describe('the changefeed (wire spec §10)', () => {
  let app: LocalApp
  let ids: string[]

  const feed = async (query: string, gun?: string): Promise<Feed> => {
    const path = gun === undefined ? '/v2/_trust/changefeed' : `/v2/${gun}/_trust/changefeed`
    const answer = await exchange(app, { path: path + query })
    assert.equal(answer.status, 200, `${query}: ${answer.body.toString()}`)
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
    const found = JSON.parse(answer.body.toString()) as Feed
    assert.equal(found.count, found.records.length)
    return found
  }
  /** Positions of the records among the seven, from 1. */
  const places = async (query: string): Promise<number[]> =>
    (await feed(query, GUN)).records.map(({ ID }) => ids.indexOf(ID) + 1)

  before(async () => {
    app = await startLocalApp()
    const worlds = await Promise.all(
      [GUN, OTHER].map((gun) => TrustWorld.create({ gun, now: app.clock.now, serverKeys: keysFrom(app, gun) })),
    )
    for (const world of worlds) await world.publishFirst(app)
    for (let round = 0; round < 5; round += 1) for (const world of worlds) await world.publish(app, 'targets')
    await exchange(app, { method: 'DELETE', path: tufPath(GUN) })
    ids = (await feed('?records=100', GUN)).records.map(({ ID }) => ID)
    assert.equal(ids.length, 7)
  })
  after(() => app.close())

  test('members, their order and values', async () => {
    const answer = await exchange(app, { path: `/v2/${OTHER}/_trust/changefeed?records=1&change_id=-1` })
    const timestamp = await exchange(app, { path: tufPath(OTHER, 'timestamp.json') })
    const [record] = (JSON.parse(answer.body.toString()) as Feed).records
    assert.equal(
      answer.body.toString(),
      `{"count":1,"records":[{"ID":"${record?.ID}","CreatedAt":"${new Date(app.clock.now).toISOString()}",` +
        `"GUN":"${OTHER}","Version":6,"SHA256":${timestamp.headers.etag},"Category":"update"}]}`,
    )
    const { records } = await feed('?records=1&change_id=-1', GUN)
    assert.deepEqual(
      records.map(({ Version, SHA256, Category }) => [Version, SHA256, Category]),
      [[0, '', 'deletion']],
    )
  })

  test('any selection is sorted oldest first', async () => {
    assert.deepEqual(await places('?records=2'), [1, 2])
    assert.deepEqual(await places(`?records=2&change_id=${ids[1]}`), [3, 4])
    assert.deepEqual(await places(`?records=-2&change_id=${ids[3]}`), [2, 3])
    assert.deepEqual(await places('?records=2&change_id=-1'), [6, 7])
    assert.deepEqual(await places('?records=-2'), [6, 7])
    assert.deepEqual(await places('?records=0'), [1, 2, 3, 4, 5, 6, 7])
    assert.deepEqual(await places(`?records=5&change_id=${ids[6]}`), [])
    assert.deepEqual(await places(`?records=-5&change_id=${ids[0]}`), [])
    assert.deepEqual(await places('?records=2147483647&change_id=2147483647'), [])
    assert.deepEqual(await places('?records=-2147483648&change_id=-2147483648'), [1, 2, 3, 4, 5, 6, 7])
  })

  test('the feed of all repositories is sorted by number', async () => {
    const { records } = await feed('?records=100')
    assert.equal(records.length, 13)
    assert.deepEqual(
      records.map(({ ID }) => Number(ID)),
      records.map(({ ID }) => Number(ID)).toSorted((one, other) => one - other),
    )
    assert.deepEqual([...new Set(records.map(({ GUN: name }) => name))], [GUN, OTHER])
  })

  test('the feed of an unknown repository is empty', async () => {
    assert.deepEqual(await feed('?records=10', 'never/was'), { count: 0, records: [] })
  })

  test('numbers are parsed like Go; the first of repeated parameters counts, unknown ones are ignored', async () => {
    for (const query of [
      '?records=%2B2',
      '?records=02',
      '?records=2&records=7',
      '?x=1&records=2&y',
      '?records=2&change_id=%2B0',
      '?records=2&change_id=',
    ]) {
      assert.deepEqual(await places(query), [1, 2], query)
    }
  })

  test('a malformed number, or one beyond 32 bits, is refused in Go’s words', async () => {
    const refused: [string, string][] = [
      ['', 'invalid records parameter: strconv.ParseInt: parsing "": invalid syntax'],
      ['?records=', 'invalid records parameter: strconv.ParseInt: parsing "": invalid syntax'],
      ['?records=x', 'invalid records parameter: strconv.ParseInt: parsing "x": invalid syntax'],
      ['?records=+2', 'invalid records parameter: strconv.ParseInt: parsing " 2": invalid syntax'],
      ['?records=1_0', 'invalid records parameter: strconv.ParseInt: parsing "1_0": invalid syntax'],
      ['?records=2147483648', 'invalid records parameter: strconv.ParseInt: parsing "2147483648": value out of range'],
      [
        '?records=-2147483649',
        'invalid records parameter: strconv.ParseInt: parsing "-2147483649": value out of range',
      ],
      ['?records=1&change_id=x', 'invalid change_id parameter: strconv.ParseInt: parsing "x": invalid syntax'],
    ]
    for (const [query, text] of refused) {
      for (const path of ['/v2/_trust/changefeed', `/v2/${GUN}/_trust/changefeed`]) {
        const answer: Answer = await exchange(app, { path: path + query })
        assert.equal(answer.status, 400, query)
        assert.deepEqual(errorOf(answer), { code: 'INVALID_PARAMETERS', name: 'ErrValidation', message: text })
      }
    }
  })
})
