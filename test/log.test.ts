import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../src/log/log.ts'

function logOf(): { log: ReturnType<typeof createLog>; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>)
  return { log: createLog('info', { write }), lines }
}

test('each line has the time at which it was logged, even of many in one millisecond', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 27, 12) })
  const { log, lines } = logOf()
  for (const pause of [0, 0, 1, 59_999]) {
    t.mock.timers.tick(pause)
    log.info({}, 'a line')
  }
  const clocks = lines.map(({ time }) => String(time).slice(11))
  assert.deepEqual(clocks, ['12:00:00.000Z', '12:00:00.000Z', '12:00:00.001Z', '12:01:00.000Z'])
})

test('texts over 500 characters are cut, and nothing else', () => {
  const { log, lines } = logOf()
  log.warn({ gun: 'app', role: undefined, bytes: 7, agent: 'x'.repeat(501), refused: 'y'.repeat(500) }, 'request')
  const { time, ...line } = lines[0] ?? {}
  assert.equal(typeof time, 'string')
  const told = { gun: 'app', bytes: 7, agent: 'x'.repeat(500), refused: 'y'.repeat(500) }
  assert.deepEqual(line, { level: 'warn', ...told, msg: 'request' })
})
