/** Hints what to do about damage, for people at a terminal. */

/** For a record that cannot be read. */
export const DAMAGED_HINT =
  '"countersign check" names all that is damaged; "countersign repair DIRECTORY" makes it whole, of a stopped server'

/** For a database in which a start finds something missing or damaged. */
export const REPAIR_HINT =
  'try "countersign repair DIRECTORY", with --from BACKUP where it asks for one, before you restore data directory and anchor from a backup; nothing was changed'

/** For an anchor that is missing or damaged while the database is there. */
export const ANCHOR_HINT =
  'put the one of a backup there, older than the data or as old: the database is held against it, and it follows; where there is none: "countersign repair DIRECTORY --without-anchor"'

/** For an anchor file without a signature by the key of the keys directory. */
export const UNSIGNED_ANCHOR_HINT = `check that the setting keysDirectory names the keys of this server, one of which signs it; if so, ${ANCHOR_HINT}`

/** For a database and an anchor that do not belong together. */
export const OTHER_ANCHOR_HINT = `check the settings dataDirectory, keysDirectory and anchorFile; if they are right, ${ANCHOR_HINT}`

/** For operations on a database that the system refuses. */
export const PLACE_HINT = 'what it holds is not at fault: see to the room, the owner and the limits of the directory'
