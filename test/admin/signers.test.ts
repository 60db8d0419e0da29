import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rehearsing } from '../../src/admin/rehearse.ts'
import { deleteSigner, listSigners, makeSigner, renewSigner, showSigner } from '../../src/admin/signers.ts'
import { TrustError } from '../../src/errors.ts'
import { TEST_ACTOR } from '../support/local-trust.ts'
import { add, drop, GUN, named, withSigner } from '../support/owned-repository.ts'
import { worldOf } from '../support/people.ts'

test('a rotation returns the newest key, and finishing it names who lacks it or still trusts the old one', async (t) => {
  const world = await withSigner(t)
  const { trust } = world.here
  const here = worldOf({ trust })
  const before = await showSigner.run(here, { name: 'ci' }, TEST_ACTOR)
  const rotated = await renewSigner.run(here, { name: 'ci', finish: false }, TEST_ACTOR)
  const [old, newest] = rotated.keyIds
  const finish = async (place = here): Promise<readonly string[]> =>
    (await renewSigner.run(place, { name: 'ci', finish: true }, TEST_ACTOR)).warnings

  // Repeated, as after a lost answer.
  const again = renewSigner.run(here, { name: 'ci', finish: false }, TEST_ACTOR)
  await assert.rejects(again, { code: 'WRONG_STATE', message: `the signer ci already has a new key: ${newest}` })
  assert.deepEqual((await showSigner.run(here, { name: 'ci' }, TEST_ACTOR)).keyIds, rotated.keyIds)
  assert.equal(old, world.key.id)
  assert.notEqual(rotated.publicKey, before.publicKey)
  const adds = `its owner adds it: docker trust signer add --key ci.pem ci ${GUN}`
  const lacks = `${GUN} does not have the new key: nothing can be signed there until ${adds}`
  const trusts = `${GUN} still trusts ${old}; its owner can end that: notary delegation purge -p ${GUN} --key ${old}`
  assert.deepEqual(await finish(rehearsing(here)), [lacks, trusts])

  const spki = rotated.publicKey.replace(/-----[^-]+-----|\n/g, '')
  const key = named({ keytype: 'ecdsa', public: spki })
  assert.equal(key.id, newest)
  await add(world, 'targets/ci', key)
  assert.deepEqual(await finish(rehearsing(here)), [trusts], 'targets/releases has the old key')
  await drop(world, 'targets/releases')
  assert.deepEqual(await finish(), [])
})

test('finishing a rotation is refused if another admin has made a further key meanwhile', async (t) => {
  const { here } = await withSigner(t)
  const { trust } = here
  const renew = (finish: boolean): ReturnType<typeof renewSigner.run> =>
    renewSigner.run(worldOf({ trust }), { name: 'ci', finish }, TEST_ACTOR)
  await renew(false)
  let meanwhile: ReturnType<typeof renew> | undefined
  // With many repositories, this takes a while.
  const guns: typeof trust.store.guns = async function* (...of) {
    await (meanwhile ??= renew(true).then(() => renew(false)))
    yield* trust.store.guns(...of)
  }
  const finishing = worldOf({ trust: { ...trust, store: { ...trust.store, guns } } })
  const early = renewSigner.run(finishing, { name: 'ci', finish: true }, TEST_ACTOR)
  await assert.rejects(early, { code: 'WRONG_STATE', message: 'the signer ci got another key in the meantime' })
  const { keyIds } = await showSigner.run(worldOf({ trust }), { name: 'ci' }, TEST_ACTOR)
  assert.deepEqual([keyIds.length, keyIds], [2, (await meanwhile)?.keyIds])
})

test('a signer with damaged keys hides no others in the list, and can be removed', async (t) => {
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
  assert.equal(trust.store.tail().number, commits, 'nothing has changed')
  const { warnings } = await deleteSigner.run(damaged, { name: 'ci' }, TEST_ACTOR)
  assert.deepEqual(warnings, ['the keys of ci are damaged: cannot tell which repositories trust them'])
})
