import { writeFile } from 'node:fs/promises'
import type { Terminal } from '../cli/terminal.ts'

/**
 * Holds commands between two of their steps, which a test could otherwise only hope to hit: after a call of
 * `node:fs/promises` with such a path, a command makes a file `held` in the terminal's directory, and waits until there is
 * one called `go`.
 *
 * @param call name of the call @param path matches one of its arguments
 * @returns the environment of such a command
 */
export async function heldAfter(
  terminal: Terminal,
  call: 'mkdtemp' | 'readFile' | 'rename',
  path: RegExp,
): Promise<{ NODE_OPTIONS: string }> {
  const program = `import { existsSync, writeFileSync } from 'node:fs'
    import promises from 'node:fs/promises'
    import { syncBuiltinESMExports } from 'node:module'
    import { setTimeout as pause } from 'node:timers/promises'
    const { ${call}: real } = promises
    promises.${call} = async (...args) => {
      const done = await real(...args)
      if (!args.some((each) => ${String(path)}.test(String(each)))) return done
      writeFileSync('held', '')
      while (!existsSync('go')) await pause(20)
      return done
    }
    syncBuiltinESMExports()`
  await writeFile(terminal.path('held.mjs'), program)
  return { NODE_OPTIONS: '--import ./held.mjs' }
}
