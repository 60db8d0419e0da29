import assert from 'node:assert/strict'
import { cp, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { setImmediate as immediate, setTimeout as pause } from 'node:timers/promises'
import type * as Pkcs11 from 'pkcs11js'
import { TrustError } from '../../src/errors.ts'
import { encodeReference, tokenIdOf } from '../../src/signing/pkcs11/reference.ts'
import { Pkcs11Signer } from '../../src/signing/pkcs11/signer.ts'
import type { KeyName, NewKey } from '../../src/signing/signer.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { keyId } from '../../src/tuf/keys/key.ts'
import { verifySignature } from '../../src/tuf/keys/signature.ts'
import { runProgram } from '../clients/support/tools.ts'
import { skipWithoutToken as skip, SoftToken } from '../support/soft-token.ts'
import { until } from '../support/until.ts'

const GUN = parseGun('example.org/pkcs11')
const MESSAGE = Buffer.from('{"signed":"this"}')
const LOOKS = ['sign', 'find', 'assume'] as const
/** Milliseconds; longer than the signer waits before it looks for a token again. */
const AGAIN = 1_200

function coded(code: string, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TrustError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, text)
    return true
  }
}

function nameOf({ keyId: id }: NewKey): KeyName {
  return { gun: GUN, role: 'timestamp', keyId: id }
}

/** Returns the ids of the processes that speak to tokens. */
async function children(): Promise<number[]> {
  const text = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
  const commands = text
    .trim()
    .split(' ')
    .map(async (pid) => ({ pid, command: await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') }))
  return (await Promise.all(commands)).flatMap(({ pid, command }) =>
    command.includes('pkcs11/child') ? [Number(pid)] : [],
  )
}

function endIfRunning(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH')
  }
}

describe('PKCS#11', { skip }, () => {
  let token: SoftToken
  let signer: Pkcs11Signer

  before(async () => {
    token = await SoftToken.create()
    signer = new Pkcs11Signer(token.settings)
    await signer.start()
  })

  after(async () => {
    await signer.close()
    await token.remove()
  })

  for (const algorithm of ['ecdsa', 'ed25519'] as const) {
    test(`${algorithm}: a new key signs as clients verify it, also after the token is opened again`, async () => {
      const other = new Pkcs11Signer(token.with({ keyAlgorithm: algorithm }))
      try {
        const key = await other.create(GUN, 'timestamp')
        assert.equal(key.keytype, algorithm)
        assert.equal(key.keyId, keyId(key))
        assert.ok(other.makes(GUN, 'timestamp', key))
        assert.ok(!other.makes(GUN, 'timestamp', { ...key, sealed: Buffer.alloc(64) }))
        const keytype = algorithm === 'ecdsa' ? 'ed25519' : 'ecdsa'
        assert.ok(!other.makes(GUN, 'timestamp', { ...key, keytype }))
        for (const each of [other, signer]) {
          const { method, sig } = await each.sign(nameOf(key), key.sealed, MESSAGE)
          assert.equal(sig.length, 64)
          assert.ok(verifySignature(key, method, sig, MESSAGE))
          assert.equal(await each.fault(nameOf(key), key.sealed, 'sign'), undefined)
        }
      } finally {
        await other.close()
      }
    })
  }

  test('a key signs only under its own name, whatever the store says', async () => {
    const key = await signer.create(GUN, 'timestamp')
    const another = await signer.create(GUN, 'timestamp')
    const name = nameOf(key)
    const wrong: KeyName[] = [
      { ...name, gun: parseGun('example.org/other') },
      { ...name, role: 'snapshot' },
      { ...name, role: 'targets/timestamp' },
      { ...name, keyId: another.keyId },
    ]
    for (const each of wrong) {
      for (const look of LOOKS) {
        const said = look === 'assume' ? undefined : 'it is not the one that is stored for it'
        assert.equal(await signer.fault(each, key.sealed, look), said)
      }
      await assert.rejects(
        signer.sign(each, key.sealed, MESSAGE),
        coded('SIGNING_FAILED', /not the one that is stored/),
      )
      // A reference forged to fit the name leads to no key.
      const forged = encodeReference({ token: '', id: tokenIdOf(each) })
      if (each.keyId === another.keyId) continue
      await assert.rejects(signer.sign(each, forged, MESSAGE), coded('SIGNING_FAILED', /is not in the token/))
    }
    for (const sealed of [new Uint8Array(), Buffer.from('PK11'), Buffer.from('PK11{}'), Buffer.alloc(80)]) {
      await assert.rejects(signer.sign(name, sealed, MESSAGE), coded('SIGNING_FAILED', /not the one that is stored/))
    }
    assert.equal(await signer.fault(name, key.sealed, 'sign'), undefined)
  })

  /** Opens a session of this process beside the signer's. */
  async function beside(
    t: TestContext,
  ): Promise<{ pkcs11: typeof Pkcs11; module: Pkcs11.PKCS11; session: Pkcs11.Handle }> {
    const pkcs11 = createRequire(import.meta.url)('pkcs11js') as typeof Pkcs11
    const module = new pkcs11.PKCS11()
    module.load(token.settings.library)
    module.C_Initialize()
    t.after(() => module.C_Finalize())
    const slot = module.C_GetSlotList(true).find((each) => module.C_GetTokenInfo(each).label.trim() !== '')
    assert.ok(slot !== undefined)
    const session = module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
    module.C_Login(session, pkcs11.CKU_USER, (await readFile(token.settings.pinFile, 'utf8')).trim())
    return { pkcs11, module, session }
  }

  test('a key in the token is labelled with its name, and its private half cannot be extracted', async (t) => {
    const key = await signer.create(GUN, 'timestamp')
    const { pkcs11, module, session } = await beside(t)
    module.C_FindObjectsInit(session, [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
      { type: pkcs11.CKA_ID, value: Buffer.from(tokenIdOf(nameOf(key)), 'hex') },
    ])
    const [found, ...rest] = module.C_FindObjects(session, 10)
    module.C_FindObjectsFinal(session)
    assert.ok(found !== undefined && rest.length === 0)
    const attribute = (type: number): Buffer =>
      module.C_GetAttributeValue(session, found, [{ type }])[0]?.value as Buffer
    assert.throws(() => attribute(pkcs11.CKA_VALUE), /CKR_ATTRIBUTE_SENSITIVE/)
    for (const [type, value] of [
      [pkcs11.CKA_PRIVATE, 1],
      [pkcs11.CKA_SENSITIVE, 1],
      [pkcs11.CKA_EXTRACTABLE, 0],
      [pkcs11.CKA_ALWAYS_SENSITIVE, 1],
      [pkcs11.CKA_NEVER_EXTRACTABLE, 1],
    ] as const) {
      assert.deepEqual([...attribute(type)], [value])
    }
    assert.equal(attribute(pkcs11.CKA_LABEL).toString(), `${GUN} timestamp ${key.keyId}`)
    assert.throws(
      () => module.C_SetAttributeValue(session, found, [{ type: pkcs11.CKA_EXTRACTABLE, value: true }]),
      /CKR_ATTRIBUTE_READ_ONLY/,
    )
  })

  test('an object that somebody put in a key’s place is not used', async (t) => {
    const [key, another] = [await signer.create(GUN, 'timestamp'), await signer.create(GUN, 'timestamp')]
    const { pkcs11, module, session } = await beside(t)
    const idOf = (made: NewKey): Buffer => Buffer.from(tokenIdOf(nameOf(made)), 'hex')
    const find = (made: NewKey, kind: number): Pkcs11.Handle => {
      module.C_FindObjectsInit(session, [
        { type: pkcs11.CKA_CLASS, value: kind },
        { type: pkcs11.CKA_ID, value: idOf(made) },
      ])
      const [found] = module.C_FindObjects(session, 1)
      module.C_FindObjectsFinal(session)
      assert.ok(found !== undefined)
      return found
    }
    const halves = (made: NewKey): Pkcs11.Handle[] =>
      [pkcs11.CKO_PUBLIC_KEY, pkcs11.CKO_PRIVATE_KEY].map((kind) => find(made, kind))
    const [own, foreign] = [halves(key), halves(another)]
    const put = (object: Pkcs11.Handle | undefined, id: Buffer): void =>
      module.C_SetAttributeValue(session, object!, [{ type: pkcs11.CKA_ID, value: id }])
    const refused = async (text: RegExp): Promise<void> => {
      const fresh = new Pkcs11Signer(token.settings)
      try {
        await assert.rejects(fresh.sign(nameOf(key), key.sealed, MESSAGE), coded('SIGNING_FAILED', text))
        assert.match((await fresh.fault(nameOf(key), key.sealed, 'sign')) ?? '', text)
      } finally {
        await fresh.close()
      }
    }
    put(foreign[0], idOf(key))
    await refused(/is not in the token$/)
    for (const object of own) put(object, Buffer.from('away'))
    put(foreign[1], idOf(key))
    await refused(/is a different key in the token$/)
    put(foreign[0], Buffer.from('away'))
    put(own[0], idOf(key))
    await refused(/makes signatures that do not match its public key$/)
  })

  test('a key deleted from the token is reported as missing, even after it was used', async (t) => {
    const [key, other] = [await signer.create(GUN, 'timestamp'), await signer.create(GUN, 'timestamp')]
    await signer.sign(nameOf(key), key.sealed, MESSAGE)
    const { pkcs11, module, session } = await beside(t)
    module.C_FindObjectsInit(session, [{ type: pkcs11.CKA_ID, value: Buffer.from(tokenIdOf(nameOf(key)), 'hex') }])
    const halves = module.C_FindObjects(session, 10)
    module.C_FindObjectsFinal(session)
    assert.equal(halves.length, 2)
    for (const half of halves) module.C_DestroyObject(session, half)
    for (const look of ['find', 'sign'] as const)
      assert.equal(await signer.fault(nameOf(key), key.sealed, look), 'it is not in the token')
    assert.equal(await signer.fault(nameOf(key), key.sealed, 'assume'), undefined)
    await assert.rejects(signer.sign(nameOf(key), key.sealed, MESSAGE), coded('SIGNING_FAILED', /is not in the token/))
    assert.equal(await signer.fault(nameOf(other), other.sealed, 'sign'), undefined)
  })

  test('calls fail with the reason while the token is away, and succeed again once it is back', async () => {
    const key = await signer.create(GUN, 'timestamp')
    assert.deepEqual(signer.readiness(), { usable: true })
    await token.takeAway()
    const away = coded('SIGNER_UNAVAILABLE', /^the PKCS#11 token cannot be reached: CKR_/)
    await assert.rejects(signer.sign(nameOf(key), key.sealed, MESSAGE), away)
    await assert.rejects(signer.create(GUN, 'timestamp'), away)
    for (const look of LOOKS) await assert.rejects(signer.fault(nameOf(key), key.sealed, look), away)
    const { usable, reason } = signer.readiness()
    assert.equal(usable, false)
    assert.match(reason ?? '', /^the PKCS#11 token cannot be reached: CKR_/)
    await token.putBack()
    await pause(AGAIN)
    const { method, sig } = await signer.sign(nameOf(key), key.sealed, MESSAGE)
    assert.ok(verifySignature(key, method, sig, MESSAGE))
    assert.deepEqual(signer.readiness(), { usable: true })
  })

  test('readiness follows the token going away and coming back, even if nobody signs', async () => {
    const becomes = (usable: boolean): Promise<void> =>
      until(usable ? 'the token to be back' : 'the token to be away', () => signer.readiness().usable === usable)
    await token.takeAway()
    await becomes(false)
    await token.putBack()
    await becomes(true)
  })

  test('a hanging token blocks only the calls that need it', async () => {
    const key = await signer.create(GUN, 'timestamp')
    const others = await children()
    const impatient = new Pkcs11Signer(token.with({ answerSeconds: 3 }))
    await impatient.start()
    // On a busy machine its process may take longer than that to start.
    await until('its process to answer', () => impatient.readiness().usable)
    const sign = () => impatient.sign(nameOf(key), key.sealed, MESSAGE)
    await sign()
    const release = await token.hang()
    const silent = coded('SIGNER_UNAVAILABLE', /^the PKCS#11 token has not answered for 3 seconds$/)
    const signing = sign()
    // This process goes on while the library blocks.
    assert.equal(await Promise.race([signing.catch(() => 'answered'), pause(100, 'still waiting')]), 'still waiting')
    await assert.rejects(signing, silent)
    // Until it answers a probe, nothing else waits for it.
    const refused = assert.rejects(sign(), silent).then(() => 'refused')
    assert.equal(await Promise.race([refused, immediate('still waiting')]), 'refused')
    assert.equal(impatient.readiness().usable, false)
    // The probe hangs in a process of its own; killing that must change the reason at once.
    await until('the end of its process', async () => {
      // The one that was given up before may still be dying, and its end changes nothing.
      for (const pid of await children()) if (!others.includes(pid)) endIfRunning(pid)
      return /process .* ended/.test(impatient.readiness().reason ?? '')
    })
    await release()
    await until('the token to answer again', () => impatient.readiness().usable)
    const { method, sig } = await sign()
    assert.ok(verifySignature(key, method, sig, MESSAGE))
    await impatient.close()
  })

  test('signals that a terminal sends to all processes do not end the one that speaks to the token', async () => {
    const key = await signer.create(GUN, 'timestamp')
    const before = await children()
    for (const pid of before) for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.kill(pid, signal)
    await signer.sign(nameOf(key), key.sealed, MESSAGE)
    assert.deepEqual(await children(), before)
  })

  test('when the library takes its process down, the next call starts another', async () => {
    const key = await signer.create(GUN, 'timestamp')
    for (const pid of await children()) process.kill(pid, 'SIGKILL')
    await until('the end of the process', () => !signer.readiness().usable)
    const { method, sig } = await signer.sign(nameOf(key), key.sealed, MESSAGE)
    assert.ok(verifySignature(key, method, sig, MESSAGE))
    assert.deepEqual(signer.readiness(), { usable: true })
  })

  test('if its process cannot be started again, readiness says why', async () => {
    const own = { library: join(token.directory, 'library.so'), pinFile: join(token.directory, 'own-pin') }
    await symlink(token.settings.library, own.library)
    await cp(token.settings.pinFile, own.pinFile)
    const others = await children()
    const restarted = new Pkcs11Signer(token.with(own))
    try {
      const key = await restarted.create(GUN, 'timestamp')
      const sign = () => restarted.sign(nameOf(key), key.sealed, MESSAGE)
      const ofThis = async (): Promise<number[]> => (await children()).filter((pid) => !others.includes(pid))
      for (const [path, code, text] of [
        [own.pinFile, 'BAD_KEYS', /^cannot read .*own-pin: ENOENT/],
        [own.library, 'BAD_SETTINGS', /^cannot load the PKCS#11 library .*library\.so: /],
      ] as const) {
        await rename(path, `${path}.away`)
        for (const pid of await ofThis()) process.kill(pid, 'SIGKILL')
        await until('the end of the process', () => !restarted.readiness().usable)
        await assert.rejects(sign(), coded(code, text))
        await until('the end of another', async () => (await ofThis()).length === 0)
        const { usable, reason = '' } = restarted.readiness()
        assert.ok(!usable)
        assert.match(reason, text)
        await rename(`${path}.away`, path)
        await sign()
        assert.deepEqual(restarted.readiness(), { usable: true })
      }
    } finally {
      await restarted.close()
    }
  })

  test('without pkcs11js the start fails and names the package', async () => {
    const place = join(token.directory, 'without-packages')
    await cp(join(import.meta.dirname, '../../src'), join(place, 'src'), { recursive: true })
    await mkdir(join(place, 'node_modules'))
    await symlink(join(import.meta.dirname, '../../node_modules/@noble'), join(place, 'node_modules', '@noble'))
    await writeFile(join(place, 'package.json'), '{"type": "module"}')
    await writeFile(
      join(place, 'program.ts'),
      `import { Pkcs11Signer } from './src/signing/pkcs11/signer.ts'
      const signer = new Pkcs11Signer(${JSON.stringify(token.settings)})
      await signer.start().catch((error) => console.log(error.code, error.message))
      await signer.close()`,
    )
    const { text } = await runProgram(process.execPath, [join(place, 'program.ts')], token.environment)
    assert.equal(text, 'BAD_SETTINGS the settings ask for PKCS#11, but the package pkcs11js is not installed\n')
  })

  test('a key is not found in another token of the same label', async () => {
    const key = await signer.create(GUN, 'timestamp')
    await token.replace()
    await assert.rejects(
      signer.sign(nameOf(key), key.sealed, MESSAGE),
      coded('SIGNING_FAILED', /is not in the token; it was made in [0-9a-f]{16}$/),
    )
    for (const look of LOOKS)
      assert.match(
        (await signer.fault(nameOf(key), key.sealed, look)) ?? '',
        /^it is not in the token; it was made in [0-9a-f]{16}$/,
      )
    const fresh = await signer.create(GUN, 'timestamp')
    for (const look of LOOKS) assert.equal(await signer.fault(nameOf(fresh), fresh.sealed, look), undefined)
  })

  test('a wrong PIN is tried only once, since tokens lock themselves, and is not printed', async () => {
    const pinFile = join(token.directory, 'wrong-pin')
    await writeFile(pinFile, 'not-the-pin', { mode: 0o600 })
    const program = join(token.directory, 'program.ts')
    // In a new process, since this one is logged in. A second try would report the token as away instead.
    await writeFile(
      program,
      `import { rename } from 'node:fs/promises'
      import { setTimeout as pause } from 'node:timers/promises'
      import { Pkcs11Signer } from ${JSON.stringify(join(import.meta.dirname, '../../src/signing/pkcs11/signer.ts'))}
      const signer = new Pkcs11Signer(${JSON.stringify(token.with({ pinFile }))})
      const start = () => signer.start().catch((error) => console.log(error.code, error.message, signer.readiness().usable))
      await start()
      await rename(${JSON.stringify(join(token.directory, 'tokens'))}, ${JSON.stringify(join(token.directory, 'away'))})
      await pause(${AGAIN})
      await start()
      await rename(${JSON.stringify(join(token.directory, 'away'))}, ${JSON.stringify(join(token.directory, 'tokens'))})
      await signer.close()`,
    )
    const { text } = await runProgram(process.execPath, [program], token.environment)
    assert.equal(text, 'BAD_KEYS the PKCS#11 token does not accept the PIN: CKR_PIN_INCORRECT false\n'.repeat(2))
  })

  test('settings that can never work are refused at the start; a missing token is waited for', async () => {
    const refused = async (changes: Parameters<SoftToken['with']>[0], code: string, text: RegExp): Promise<void> => {
      const other = new Pkcs11Signer(token.with(changes))
      await assert.rejects(other.start(), coded(code, text))
      await other.close()
    }
    await refused({ library: '/nowhere.so' }, 'BAD_SETTINGS', /^cannot load the PKCS#11 library \/nowhere\.so: /)
    await refused({ pinFile: '/nowhere/pin' }, 'BAD_KEYS', /^cannot read \/nowhere\/pin: ENOENT/)
    const unreadable = join(token.directory, 'pin-in-latin-1')
    await writeFile(unreadable, Buffer.from('p\xedn', 'latin1'), { mode: 0o600 })
    await refused({ pinFile: unreadable }, 'BAD_KEYS', /^the PIN in .* is not UTF-8/)
    const early = new Pkcs11Signer(token.with({ tokenLabel: 'still in the drawer' }))
    await early.start()
    assert.deepEqual(early.readiness(), {
      usable: false,
      reason: 'the PKCS#11 token cannot be reached: no token has the label "still in the drawer"',
    })
    await early.close()
  })

  test('neither of two tokens with the same label is used, since the choice could change', async () => {
    const softhsm = async (...args: string[]): Promise<void> => {
      const { code, stderr } = await runProgram('softhsm2-util', args, token.environment)
      assert.equal(code, 0, stderr)
    }
    const make = ['--init-token', '--free', '--label', 'twice', '--so-pin', 'so-pin-of-the-test']
    const pin = (await readFile(token.settings.pinFile, 'utf8')).trim()
    for (let made = 0; made < 2; made += 1) await softhsm(...make, '--pin', pin)
    const unsure = new Pkcs11Signer(token.with({ tokenLabel: 'twice' }))
    try {
      await unsure.start()
      const { reason = '' } = unsure.readiness()
      const [, serial = ''] = /: 2 tokens have the label "twice": ([0-9a-f]{16}), [0-9a-f]{16}$/.exec(reason) ?? []
      await assert.rejects(unsure.create(GUN, 'timestamp'), {
        code: 'SIGNER_UNAVAILABLE',
        hint: /signers\.pkcs11\.slot/,
      })
      await softhsm('--delete-token', '--serial', serial)
      await pause(AGAIN)
      assert.equal((await unsure.create(GUN, 'timestamp')).keytype, 'ecdsa', reason)
    } finally {
      await unsure.close()
    }
  })
})
