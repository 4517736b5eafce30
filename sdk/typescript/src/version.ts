// What this software calls itself, for the server's logs.

/** Name and version, as in package.json. */
export const SOFTWARE = "longwire-typescript/0.1.0";
