import { adoptRepository } from './adopt.ts'
import { auditJournal } from './audit.ts'
import { makeBackup } from './backup.ts'
import { checkStore } from './check.ts'
import { acceptTime, showClock } from './clock.ts'
import { addDelegation, removeDelegation } from './delegations.ts'
import { showExpiry } from './expiry.ts'
import { findDigest } from './find.ts'
import { importSealedKey } from './import.ts'
import { listKeys } from './keys.ts'
import type { Operation } from './operation.ts'
import { listPolicies, removePolicy, setPolicy, showPolicy } from './policies.ts'
import { deleteRepository, listRepositories, pinRepository, showRepository } from './repositories.ts'
import { removeRootKey } from './root-key-removal.ts'
import { listRootKeys, saveRootKey } from './root-keys.ts'
import {
  discardRoot,
  listStagedRoots,
  planRoot,
  publishRoot,
  showStagedRoot,
  signRoot,
  stageNextRoot,
} from './roots.ts'
import { deleteSigner, listSigners, makeSigner, renewSigner, showSigner } from './signers.ts'
import { listTags, removeTag, signManyTags, signTag } from './tags.ts'
import { createToken, listTokens, revokeToken } from './tokens.ts'
import { addUser, listUsers, removeUser, setPassword, setUser } from './users.ts'

/** Every operation, in the order of the documentation. */
export const OPERATIONS: readonly Operation[] = [
  checkStore,
  makeBackup,
  auditJournal,
  findDigest,
  showExpiry,
  showClock,
  acceptTime,
  listRepositories,
  showRepository,
  pinRepository,
  adoptRepository,
  deleteRepository,
  listKeys,
  listTags,
  signTag,
  removeTag,
  signManyTags,
  addDelegation,
  removeDelegation,
  listSigners,
  makeSigner,
  showSigner,
  renewSigner,
  deleteSigner,
  listPolicies,
  setPolicy,
  showPolicy,
  removePolicy,
  planRoot,
  stageNextRoot,
  listStagedRoots,
  showStagedRoot,
  signRoot,
  publishRoot,
  discardRoot,
  listRootKeys,
  saveRootKey,
  removeRootKey,
  importSealedKey,
  listUsers,
  addUser,
  setUser,
  setPassword,
  removeUser,
  createToken,
  listTokens,
  revokeToken,
]
