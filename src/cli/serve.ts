import { Command } from 'commander'
import { join, resolve } from 'node:path'
import { serve, type Running } from '../main.ts'
import type { Settings } from '../settings-schema.ts'
import { tlsFiles } from '../signing/tls-identity.ts'
import { EXIT, run, settingsOf } from './run.ts'

export function serveCommand(): Command {
  return new Command('serve')
    .description('start the server; a first start makes keys, TLS identity and an empty store')
    .option('--quiet', 'print nothing but the log')
    .action(async ({ quiet }: { quiet?: true }, command: Command) =>
      run(async () => {
        const settings = settingsOf(command)
        const running = await serve(settings)
        if (quiet === undefined) process.stderr.write(greeting(running, settings))
        await stopSignal()
        await running.close()
        return EXIT.ok
      }),
    )
}

/** The first SIGTERM or SIGINT lets everything finish; the second one does not wait. */
async function stopSignal(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(EXIT.failed))
}

/** What to type next, ready to be copied. On standard error, so that the log on standard output stays JSON lines. */
function greeting({ url, port, made }: Running, settings: Settings): string {
  const lines = made.map((what) => `made ${what}`)
  lines.push(`Countersign serves trust data on ${url}`)
  if (settings.listen.plainHttp !== undefined) {
    lines.push('without TLS: docker speaks to https trust servers only, put a proxy in front')
    return `${lines.join('\n')}\n\n`
  }
  const directory = join('~/.docker/tls', `${hostForClients(settings)}:${port}`)
  lines.push('', 'In another terminal:', '')
  if (settings.tls.certificateFile === undefined) {
    const ca = resolve(tlsFiles(settings.keysDirectory).ca)
    lines.push(`  mkdir -p ${directory} && cp ${ca} ${directory}/ca.crt`)
  }
  lines.push(
    '  export DOCKER_CONTENT_TRUST=1',
    `  export DOCKER_CONTENT_TRUST_SERVER=https://${hostForClients(settings)}:${port}`,
    '  docker trust sign REGISTRY/REPOSITORY:TAG',
    '',
    'docker asks for two new passphrases (keep both) and pushes the image if it must.',
    'docker trust inspect --pretty REGISTRY/REPOSITORY shows what is signed.',
  )
  return `${lines.join('\n')}\n\n`
}

/** An address that is listened on everywhere is no name to connect to. */
function hostForClients({ listen: { host } }: Settings): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}
