import { readdirSync, readFileSync } from 'node:fs'

/** Length of the clock ticks in /proc; the same on every common Linux. */
const MICROSECONDS_PER_TICK = 10_000

/**
 * Returns the CPU time that these processes and all their children, even ended ones, have used so far, user and system.
 *
 * @returns microseconds, in steps of 10,000
 */
export function cpuMicroseconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of withChildren(pids)) {
    const fields = statOf(pid)
    // utime, stime, and cutime, cstime of waited-for children: fields 14 to 17 of proc(5).
    for (const field of fields.slice(11, 15)) ticks += Number(field)
  }
  return ticks * MICROSECONDS_PER_TICK
}

/**
 * Returns the memory of these processes and their children: RSS, as `ps` shows it, of the former; PSS, which divides
 * shared memory, of the latter (PostgreSQL's backends).
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

/** Returns the fields from the third on; the second may contain blanks. */
function statOf(pid: number): string[] {
  const text = fileOf(pid, 'stat')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Returns an empty text if the process has ended meanwhile. */
function fileOf(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}
