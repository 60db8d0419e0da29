/** Hints what to do about damage, for people at a terminal. */

/** For a record that cannot be read. */
export const DAMAGED_HINT =
  '"countersign check" lists all damage; to mend it, stop the server and run "countersign repair DIRECTORY"'

/** For a database in which a start finds something missing or damaged. */
export const REPAIR_HINT =
  'try "countersign repair DIRECTORY", with --from BACKUP where it asks for one, before you restore the data directory and the anchor from a backup; nothing was changed'

/** For a database in which not even the first record is found: another's, or one with a damaged index. */
export const OTHER_DATABASE_HINT = `check the setting dataDirectory; if it is right, ${REPAIR_HINT}`

/** For an anchor that is missing or damaged while the database is there. */
export const ANCHOR_HINT =
  'restore the anchor from a backup that is not newer than the data: it is checked, and then follows the database; without one: "countersign repair DIRECTORY --without-anchor"'

/** For an anchor file without a signature by the key of the keys directory. */
export const UNSIGNED_ANCHOR_HINT = `check that the setting keysDirectory names the keys of this server, one of which signs it; if so, ${ANCHOR_HINT}`

/** For a database and an anchor that do not belong together. */
export const OTHER_ANCHOR_HINT = `check the settings dataDirectory, keysDirectory and anchorFile; if they are right, ${ANCHOR_HINT}`

/** For operations on a database that the system refuses. */
export const PLACE_HINT = 'the data is not at fault: check the free space, owner and limits of the directory'
