import { spawnSync } from 'node:child_process'

/** Arguments of `unshare` that make the directory named next read-only for a single command. */
export const READ_ONLY = [
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"',
  'sh',
]

/** Returns why that is not possible here; false if it is. */
export const skipReadOnly =
  spawnSync('unshare', [...READ_ONLY, import.meta.dirname, 'true']).status === 0 ? false : 'nothing can be mounted here'
