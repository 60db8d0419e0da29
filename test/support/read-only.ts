import { spawnSync } from 'node:child_process'

/** Arguments of `unshare`: for one command alone, the directory named next is one that nothing can be written to. */
export const READ_ONLY = [
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"',
  'sh',
]

/** Why that cannot be had here; false if it can. */
export const skipReadOnly =
  spawnSync('unshare', [...READ_ONLY, import.meta.dirname, 'true']).status === 0 ? false : 'nothing can be mounted here'
