import { makeKey } from '../support/test-key.ts'
import { TrustWorld, type ServerKeys } from '../support/trust-world.ts'
import { NOW, type Scene } from './case.ts'
import type { Part } from '../support/upload.ts'

/** How a scene gets its server keys and sends uploads. */
export interface Stage {
  readonly serverKeys: (gun: string) => ServerKeys
  /** @throws if the server refuses */
  readonly send: (world: TrustWorld, parts: readonly Part[]) => Promise<void>
}

/** Shared by all scenes: making keys for each would take longer than the test. */
const sharedTargetsKey = makeKey('ecdsa')
const releasesKey = makeKey('ecdsa')

/** Makes a repository for a scene: root 2, targets 3, targets/releases 2; the scene says who holds the snapshot key. */
export async function makeScene(
  stage: Stage,
  gun: string,
  scene: Scene,
  targetsKey = sharedTargetsKey,
): Promise<TrustWorld> {
  const snapshot = scene === 'server-snapshot' ? 'server' : 'client'
  const world = await TrustWorld.create({ gun, now: NOW, serverKeys: stage.serverKeys(gun), snapshot, targetsKey })
  if (scene === 'unpublished') return world
  await stage.send(world, world.parts('root', 'targets'))
  world.delegate('targets/releases', [releasesKey])
  world.addTarget('r1', 'targets/releases')
  await stage.send(world, world.nextParts('targets', 'targets/releases'))
  await stage.send(world, world.nextParts('root', 'targets', 'targets/releases'))
  return world
}
