import { readdirSync, readFileSync } from 'node:fs'

/** Of the clock that /proc counts in; the same on every Linux that people run. */
const MICROSECONDS_PER_TICK = 10_000

/**
 * CPU time that these processes and all their children have used so far, user and system, also of children that ended.
 *
 * @returns microseconds; steps of 10,000
 */
export function cpuMicroseconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of withChildren(pids)) {
    const fields = statOf(pid)
    // utime, stime, and cutime, cstime of children that were waited for: fields 14 to 17 of proc(5).
    for (const field of fields.slice(11, 15)) ticks += Number(field)
  }
  return ticks * MICROSECONDS_PER_TICK
}

/** Memory of these processes and their children; what they share (PostgreSQL's buffers) is counted once. @returns bytes */
export function memoryBytes(pids: readonly number[]): number {
  return withChildren(pids).reduce((sum, pid) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    return sum + Number(/^Pss: *(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024
  }, 0)
}

function withChildren(pids: readonly number[]): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      parents.set(Number(name), Number(statOf(Number(name))[1]))
    } catch {
      // It has ended.
    }
  }
  const found = pids.filter((pid) => parents.has(pid))
  for (const parent of found) {
    for (const [pid, of] of parents) if (of === parent) found.push(pid)
  }
  return found
}

/** Fields from the third on; the second may hold blanks. */
function statOf(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}
