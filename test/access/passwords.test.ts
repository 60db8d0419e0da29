import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FREE_FAILURES, Guesses, LONGEST_WAIT } from '../../src/access/guesses.ts'
import { hashPassword, isPassword, NO_PASSWORD, PASSWORD_MAX_BYTES } from '../../src/access/password.ts'
import { Passwords } from '../../src/access/passwords.ts'
import type { Directory, User } from '../../src/access/user.ts'

const RIGHT = 'correct horse'

/** Too long to be hashed, which would take a while. */
const long = 'x'.repeat(PASSWORD_MAX_BYTES + 1)

describe('passwords', () => {
  test('are hashed with argon2id and their own salt; a weaker stored hash is refused', async () => {
    const [one, other] = [await hashPassword(RIGHT), await hashPassword(RIGHT)]
    assert.notEqual(one.hash, other.hash)
    assert.equal(await isPassword(one, RIGHT), true)
    assert.equal(await isPassword(one, `${RIGHT} `), false)
    assert.equal(await isPassword(NO_PASSWORD, ''), false)
    for (const weaker of [{ memory: 1024 }, { passes: 1 }, { algorithm: 'argon2i' }, { salt: '' }, { hash: '' }]) {
      await assert.rejects(
        isPassword({ ...one, ...weaker } as typeof one, RIGHT),
        { code: 'CORRUPT' },
        JSON.stringify(weaker),
      )
    }
  })

  test('composed and decomposed letters are equal', async () => {
    assert.equal(await isPassword(await hashPassword('pässwörter'), 'pa\u0308sswo\u0308rter'), true)
  })

  test('too short, too long or token-like passwords are refused', async () => {
    for (const password of ['', 'short', 'x'.repeat(1_025), 'cs_0123456789']) {
      await assert.rejects(hashPassword(password), { code: 'INVALID_PARAMETERS' }, password.slice(0, 20))
    }
  })

  test('concurrent guesses are checked two at a time, and most are refused', async () => {
    const user: User = { name: 'alice', password: await hashPassword(RIGHT), grants: [], disabled: false, createdAt: 0 }
    const passwords = new Passwords(directoryOf(user), () => 0)
    const guesses = Array.from({ length: 30 }, (_, index) => passwords.check('alice', `guess ${index}`, 'address'))
    const results = await Promise.allSettled(guesses)
    const tried = results.filter(({ status }) => status === 'fulfilled').length
    assert.ok(tried >= FREE_FAILURES && tried <= FREE_FAILURES + 1, `${tried} were tried`)
    await assert.rejects(passwords.check('alice', RIGHT, 'other address'), { code: 'BUSY' })
    await assert.rejects(passwords.check('bob', RIGHT, 'address'), { code: 'BUSY' })
  })

  test('guesses from all addresses of one IPv6 network count together', async () => {
    const passwords = new Passwords(directoryOf(), () => 0)
    for (let guess = 1; guess <= FREE_FAILURES; guess += 1) {
      assert.equal(await passwords.check(`user-${guess}`, RIGHT, `2001:db8::${guess}`), undefined)
    }
    await assert.rejects(passwords.check('bob', RIGHT, '2001:db8::ffff'), { code: 'BUSY' })
    assert.equal(await passwords.check('bob', RIGHT, '2001:db8:0:1::1'), undefined)
  })

  test("a user who has logged in from a network is not delayed by others' guesses there or by guesses elsewhere", async () => {
    const password = await hashPassword(RIGHT)
    const user = (name: string): User => ({ name, password, grants: [], disabled: false, createdAt: 0 })
    const users = new Passwords(directoryOf(user('alice'), user('bob')), () => 0)
    const guess = async (name: string, address: string): Promise<void> => {
      for (let wrong = 0; wrong < FREE_FAILURES; wrong += 1) await users.check(name, 'an old one', address)
    }
    assert.equal((await users.check('alice', RIGHT, 'office'))?.name, 'alice')
    await guess('job', 'office')
    await guess('alice', 'elsewhere')
    assert.equal((await users.check('alice', RIGHT, 'office'))?.name, 'alice')
    await assert.rejects(users.check('bob', RIGHT, 'office'), { code: 'BUSY' })
    await assert.rejects(users.check('alice', RIGHT, 'third'), { code: 'BUSY' })
    // Guesses against that user there are delayed all the same.
    await guess('alice', 'office')
    await assert.rejects(users.check('alice', RIGHT, 'office'), { code: 'BUSY' })
  })

  test('a correct password resets the count of wrong ones', async () => {
    const user: User = { name: 'alice', password: await hashPassword(RIGHT), grants: [], disabled: false, createdAt: 0 }
    const passwords = new Passwords(directoryOf(user), () => 0)
    for (const mistakes of [FREE_FAILURES - 1, 1]) {
      for (let mistake = 0; mistake < mistakes; mistake += 1) {
        assert.equal(await passwords.check('alice', 'mistyped', undefined), undefined)
      }
      assert.equal(await passwords.check('alice', RIGHT, undefined), user)
    }
  })

  test('a password changed or a user disabled during the check is not accepted', async () => {
    const user: User = { name: 'alice', password: await hashPassword(RIGHT), grants: [], disabled: false, createdAt: 0 }
    const changes: Partial<User>[] = [
      { password: await hashPassword('another password') },
      { password: null },
      { disabled: true },
    ]
    for (const change of changes) {
      let now = user
      const passwords = new Passwords({ ...directoryOf(), record: () => now }, () => 0)
      const checked = passwords.check('alice', RIGHT, undefined)
      now = { ...user, ...change }
      assert.equal(await checked, undefined, Object.keys(change).join())
    }
  })

  test('names that nobody can have count as one name', async () => {
    const passwords = new Passwords(directoryOf(), () => 0)
    for (let guess = 1; guess <= FREE_FAILURES; guess += 1) await passwords.check(`No ${guess}`, long, undefined)
    await assert.rejects(passwords.check('Another', long, undefined), { code: 'BUSY' })
  })

  test('too many waiting checks are refused', async () => {
    const passwords = new Passwords(directoryOf(), () => 0)
    const asked = Array.from({ length: 80 }, (_, index) => passwords.check(`user-${index}`, long, undefined))
    const results = await Promise.allSettled(asked)
    const refused = results.filter(({ status }) => status === 'rejected')
    assert.equal(refused.length, 80 - 66)
  })
})

function directoryOf(...users: User[]): Directory {
  return {
    record: (_, name) => users.find((user) => user.name === name),
    async *records() {
      for (const value of users) yield { kind: 'user', name: value.name, value }
    },
  }
}

describe('guesses', () => {
  test('each wait doubles up to a minute, and a success or a pause resets it', () => {
    let now = 0
    const guesses = new Guesses(() => now)
    const waits: number[] = []
    for (let failure = 0; failure < 15; failure += 1) {
      guesses.failed('alice')
      waits.push(guesses.wait('alice') / 1000)
    }
    assert.deepEqual(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60])
    assert.equal(guesses.wait('bob'), 0)
    now += LONGEST_WAIT - 1
    assert.equal(guesses.wait('alice'), 1)
    now += 1
    assert.equal(guesses.wait('alice'), 0)
    guesses.failed('alice')
    assert.equal(guesses.wait('alice'), LONGEST_WAIT)
    guesses.succeeded('alice')
    assert.equal(guesses.wait('alice'), 0)
    for (let failure = 0; failure < 9; failure += 1) guesses.failed('bob')
    now += 16 * 60_000
    assert.equal(guesses.wait('bob'), 0)
  })

  test('a clock that was ahead locks nobody out once it is right', () => {
    let now = 24 * 3_600_000
    const guesses = new Guesses(() => now)
    for (let failure = 0; failure < 9; failure += 1) guesses.failed('alice')
    now = 0
    assert.ok(guesses.wait('alice') <= LONGEST_WAIT)
    for (let failure = 0; failure < FREE_FAILURES; failure += 1) guesses.failed('alice')
    assert.equal(guesses.wait('alice'), 1_000)
  })

  test('memory is bounded', () => {
    const guesses = new Guesses(() => 0)
    for (let failure = 0; failure < FREE_FAILURES; failure += 1) guesses.failed('first')
    assert.ok(guesses.wait('first') > 0)
    for (let index = 0; index < 10_000; index += 1) guesses.failed(`name-${index}`)
    assert.equal(guesses.wait('first'), 0)
  })
})
