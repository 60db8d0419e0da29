import { chmod, chown, lchown, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { at, list, text, type Value } from '../../support/manifests.ts'

/** Volumes as a kubelet makes them for a pod with an `fsGroup`. */
export class Volumes {
  readonly #directory: string
  readonly #group: number

  private constructor(directory: string, group: number) {
    this.#directory = directory
    this.#group = group
  }

  /**
   * @param group the `fsGroup`
   * @param secret of the one Secret: file → content
   */
  static async create(directory: string, group: number, secret: Readonly<Record<string, string>>): Promise<Volumes> {
    const volumes = new Volumes(directory, group)
    for (const name of ['data', 'backups', 'temporary']) await volumes.#directoryFor(volumes.path(name), 0o2770)
    const mounted = volumes.path('passphrase')
    // A Secret's files are links into a directory that is replaced as a whole.
    await volumes.#directoryFor(join(mounted, '..2026_11_30'), 0o2750)
    await symlink('..2026_11_30', join(mounted, '..data'))
    for (const [name, content] of Object.entries(secret)) {
      const file = join(mounted, '..2026_11_30', name)
      await writeFile(file, content)
      await chown(file, 0, group)
      await chmod(file, 0o440)
      await symlink(join('..data', name), join(mounted, name))
      await lchown(join(mounted, name), 0, group)
    }
    return volumes
  }

  /** Returns where a volume is on this machine. */
  path(name: string): string {
    return join(this.#directory, name)
  }

  async #directoryFor(path: string, mode: number): Promise<void> {
    await mkdir(path, { recursive: true })
    await chown(path, 0, this.#group)
    await chmod(path, mode)
  }
}

/**
 * Returns docker's arguments for the container of a pod, with the pod's rights and volumes.
 *
 * @param pod a pod's `spec`
 * @throws Error if the pod has rights that docker is not told of here
 */
export function containerArguments(pod: Value, volumes: Volumes): string[] {
  const container = list(pod, 'containers')[0] ?? ''
  const rights = JSON.stringify([at(pod, 'securityContext'), at(container, 'securityContext')])
  const [user = '', group = '', fsGroup = ''] = ['runAsUser', 'runAsGroup', 'fsGroup'].map((name) =>
    text(pod, `securityContext.${name}`),
  )
  if (rights !== knownRights(user, group, fsGroup)) throw new Error(`other rights than docker is told of: ${rights}`)
  return [
    ...[
      `--user=${user}:${group}`,
      `--group-add=${fsGroup}`,
      '--read-only',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
    ],
    ...list(container, 'volumeMounts').map((mount) => {
      const isReadOnly = at(mount, 'readOnly') === 'true'
      return `--volume=${volumes.path(text(mount, 'name'))}:${text(mount, 'mountPath')}${isReadOnly ? ':ro' : ''}`
    }),
  ]
}

// Docker's default for seccomp is the runtime's, and the user is not root.
function knownRights(runAsUser: string, runAsGroup: string, fsGroup: string): string {
  return JSON.stringify([
    {
      runAsNonRoot: 'true',
      runAsUser,
      runAsGroup,
      fsGroup,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    { allowPrivilegeEscalation: 'false', readOnlyRootFilesystem: 'true', capabilities: { drop: ['ALL'] } },
  ])
}
