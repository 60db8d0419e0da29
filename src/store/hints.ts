/** What to do about damage, for people at a terminal. */

/** About a record that cannot be read. */
export const DAMAGED_HINT =
  '"countersign check" names all that is damaged; "countersign repair DIRECTORY" makes it whole, of a stopped server'

/** About a database of which a start says that something is missing or damaged. */
export const REPAIR_HINT =
  'try "countersign repair DIRECTORY", with --from BACKUP where it asks for one, before you restore data directory and anchor from a backup; nothing was changed'

/** About an anchor that is gone or damaged, of a database that is there. */
export const ANCHOR_HINT =
  'put the one of a backup there, older than the data or as old: the database is held against it, and it follows; where there is none: "countersign repair DIRECTORY --without-anchor"'

/** About an anchor that nothing in is signed by the key of the keys directory. */
export const UNSIGNED_ANCHOR_HINT = `check that the setting keysDirectory names the keys of this server, one of which signs it; if so, ${ANCHOR_HINT}`

/** About a database and an anchor that are not of each other. */
export const OTHER_ANCHOR_HINT = `check the settings dataDirectory, keysDirectory and anchorFile; if they are right, ${ANCHOR_HINT}`

/** About what the system refuses to do with a database. */
export const PLACE_HINT = 'what it holds is not at fault: see to the room, the owner and the limits of the directory'
