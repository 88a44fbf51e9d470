// The paths of `missions:` documents. Pure.

/** The mission and run that a document belongs to, by its path: `/<mission>/runs/<run>/review.md`. */
export function belongsTo(path: string): { readonly mission?: string; readonly run?: string } {
  const found = /^\/*(mission-[a-z0-9-]+)(?:\/runs\/([^/]+))?/.exec(path);
  if (found?.[1] === undefined) return {};
  return found[2] === undefined ? { mission: found[1] } : { mission: found[1], run: found[2] };
}
