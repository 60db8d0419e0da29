import assert from 'node:assert/strict'
import { test } from 'node:test'
import { issueRootCertificate } from '../../src/signing/root-certificate.ts'
import { makeRootKey } from '../../src/signing/root-key.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { certificatesOf } from '../../src/tuf/asn1/x509.ts'

test('a root certificate names the repository, whatever characters the name has', async () => {
  const key = makeRootKey()
  const names = ['docker.io/acme/app', '#ab', '#abc', 'say "a"', '"', "it's", 'a,CN=b', 'a+b;<c>', ' a ', 'Größe/日本']
  for (const name of names) {
    const certificate = await issueRootCertificate(key, parseGun(name), Date.now())
    assert.equal(certificatesOf(certificate)?.[0]?.commonName, name)
  }
})
