import { join, resolve } from 'node:path'
import type { Running } from '../main.ts'
import type { Settings } from '../settings/schema.ts'
import { isEverywhere } from '../settings/server-names.ts'
import { tlsFiles } from '../signing/tls/identity.ts'
import { shellQuoted } from '../tuf/gun.ts'

/**
 * Returns what a start made, and what to type next, ready to be copied. It goes to standard error, so that the log on
 * standard output stays JSON Lines.
 *
 * @param users number of users: a server that requires users but has none serves nobody
 */
export function greetingOf(
  { url, port, made }: Pick<Running, 'url' | 'port' | 'made'>,
  settings: Settings,
  users: number,
): string {
  const lines = made.map((what) => `made ${what}`)
  lines.push(`Countersign serves trust data on ${url}`)
  if (settings.access.mode === 'built-in' && users === 0) {
    lines.push("There are no users yet. Make one, here: countersign user add NAME --allow 'sign:*'")
  }
  if (settings.listen.plainHttp === undefined) lines.push('', ...clientLines(port, settings))
  else lines.push('without TLS: docker speaks to https trust servers only, put a proxy in front')
  return `${lines.join('\n')}\n\n`
}

function clientLines(port: number, settings: Settings): string[] {
  const name = `${nameForClients(settings)}:${port}`
  const lines = ['Type next, in another terminal:', '']
  if (settings.tls.certificateFile === undefined) {
    const directory = join('~/.docker/tls', name)
    const ca = resolve(tlsFiles(settings.keysDirectory).ca)
    lines.push(`  mkdir -p ${directory} && cp ${shellQuoted(ca)} ${directory}/ca.crt`)
  }
  lines.push(
    '  export DOCKER_CONTENT_TRUST=1',
    `  export DOCKER_CONTENT_TRUST_SERVER=https://${name}`,
    '  docker login REGISTRY',
    '  docker trust sign REGISTRY/REPOSITORY:TAG',
    '  docker trust inspect --pretty REGISTRY/REPOSITORY',
    '',
    'The first "sign" asks for three new passphrases: keep them, and a copy of ~/.docker/trust/private.',
    'Docker 29 and later need the docker-trust plugin, and verify nothing on pull and run: see docs/CLIENTS.md.',
  )
  return lines
}

function nameForClients({ listen: { host } }: Settings): string {
  if (isEverywhere(host)) return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}
