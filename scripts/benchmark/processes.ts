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

/**
 * Memory of these processes and their children: what `ps` shows of the former (RSS), and what the latter, PostgreSQL's
 * backends, have beside what they share (PSS).
 *
 * @returns bytes
 */
export function memoryBytes(pids: readonly number[]): number {
  return withChildren(pids).reduce((sum, pid) => {
    const line = pids.includes(pid) ? /^Rss: *(\d+) kB$/m : /^Pss: *(\d+) kB$/m
    const [, kilobytes = '0'] = line.exec(fileOf(pid, 'smaps_rollup')) ?? []
    return sum + Number(kilobytes) * 1024
  }, 0)
}

function withChildren(pids: readonly number[]): number[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const parents = new Map(all.map((pid) => [Number(pid), Number(statOf(Number(pid))[1])]))
  const found = pids.filter((pid) => parents.has(pid))
  for (const parent of found) {
    for (const [pid, of] of parents) if (of === parent) found.push(pid)
  }
  return found
}

/** Fields from the third on; the second may hold blanks. */
function statOf(pid: number): string[] {
  const text = fileOf(pid, 'stat')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Empty if the process has ended meanwhile. */
function fileOf(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}
