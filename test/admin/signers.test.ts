import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rehearsing } from '../../src/admin/rehearse.ts'
import { deleteSigner, listSigners, makeSigner, renewSigner, showSigner } from '../../src/admin/signers.ts'
import { TrustError } from '../../src/errors.ts'
import { TEST_ACTOR } from '../support/local-trust.ts'
import { add, drop, GUN, named, withSigner } from '../support/owned-repository.ts'
import { worldOf } from '../support/people.ts'

test('the key to add is the newest; where it lacks, and where an old one is trusted still, is told before and after', async (t) => {
  const world = await withSigner(t)
  const { trust } = world.here
  const here = worldOf({ trust })
  const before = await showSigner.run(here, { name: 'ci' }, TEST_ACTOR)
  const rotated = await renewSigner.run(here, { name: 'ci', finish: false }, TEST_ACTOR)
  const [old, newest] = rotated.keyIds
  const finish = async (place = here): Promise<readonly string[]> =>
    (await renewSigner.run(place, { name: 'ci', finish: true }, TEST_ACTOR)).warnings

  // Typed again, since the answer was lost.
  const again = renewSigner.run(here, { name: 'ci', finish: false }, TEST_ACTOR)
  await assert.rejects(again, { code: 'WRONG_STATE', message: `the signer ci has a new key already: ${newest}` })
  assert.deepEqual((await showSigner.run(here, { name: 'ci' }, TEST_ACTOR)).keyIds, rotated.keyIds)
  assert.equal(old, world.key.id)
  assert.notEqual(rotated.publicKey, before.publicKey)
  const adds = `its owner adds it: docker trust signer add --key ci.pem ci ${GUN}`
  const lacks = `${GUN} does not have the new key: nothing can be signed there until ${adds}`
  const trusts = `${GUN} still trusts ${old}; its owner ends that: notary delegation purge -p ${GUN} --key ${old}`
  assert.deepEqual(await finish(rehearsing(here)), [lacks, trusts])

  const spki = rotated.publicKey.replace(/-----[^-]+-----|\n/g, '')
  const key = named({ keytype: 'ecdsa', public: spki })
  assert.equal(key.id, newest)
  await add(world, 'targets/ci', key)
  assert.deepEqual(await finish(rehearsing(here)), [trusts], 'targets/releases names the old one')
  await drop(world, 'targets/releases')
  assert.deepEqual(await finish(), [])
})

test('the old key is given up for the one that was told, not for one that another admin makes meanwhile', async (t) => {
  const { here } = await withSigner(t)
  const { trust } = here
  const renew = (finish: boolean): ReturnType<typeof renewSigner.run> =>
    renewSigner.run(worldOf({ trust }), { name: 'ci', finish }, TEST_ACTOR)
  await renew(false)
  let meanwhile: ReturnType<typeof renew> | undefined
  // Many repositories are looked through for a while.
  const guns: typeof trust.store.guns = async function* (...of) {
    await (meanwhile ??= renew(true).then(() => renew(false)))
    yield* trust.store.guns(...of)
  }
  const finishing = worldOf({ trust: { ...trust, store: { ...trust.store, guns } } })
  const early = renewSigner.run(finishing, { name: 'ci', finish: true }, TEST_ACTOR)
  await assert.rejects(early, { code: 'WRONG_STATE', message: 'the signer ci has got another key meanwhile' })
  const { keyIds } = await showSigner.run(worldOf({ trust }), { name: 'ci' }, TEST_ACTOR)
  assert.deepEqual([keyIds.length, keyIds], [2, (await meanwhile)?.keyIds])
})

test('a signer whose keys cannot be read hides no other one in the list, and can be removed', async (t) => {
  const { here } = await withSigner(t)
  const { trust } = here
  await makeSigner.run(worldOf({ trust }), { name: 'other' }, TEST_ACTOR)
  const keys: typeof trust.store.keys = (...of) => {
    if (of[1] === 'targets/ci') throw new TrustError('CORRUPT', 'a stored record is damaged')
    return trust.store.keys(...of)
  }
  const damaged = worldOf({ trust: { ...trust, store: { ...trust.store, keys } } })
  const [broken, whole] = await listSigners.run(damaged, {}, TEST_ACTOR)
  assert.deepEqual(broken, { name: 'ci', damaged: 'a stored record is damaged' })
  assert.equal(whole?.name, 'other')
  const commits = trust.store.tail().number
  await assert.rejects(renewSigner.run(damaged, { name: 'ci', finish: true }, TEST_ACTOR), { code: 'CORRUPT' })
  assert.equal(trust.store.tail().number, commits, 'nothing was changed')
  const { warnings } = await deleteSigner.run(damaged, { name: 'ci' }, TEST_ACTOR)
  assert.deepEqual(warnings, ['the keys of ci are damaged: which repositories trust them cannot be read'])
})
