// What is typed into a query: completed, and its mistakes found.

const OFFERS = 8;

/** The word that ends at the cursor. */
export function word(text: string, at: number): string {
  return /[a-zA-Z_][\w:]*$/.exec(text.slice(0, at))?.[0] ?? "";
}

/** What begins like it, then what has it within. */
export function offers(names: readonly string[], word: string): string[] {
  if (word.length < 1) return [];
  const small = word.toLowerCase();
  const begin = names.filter((name) => name.toLowerCase().startsWith(small) && name !== word);
  const within =
    word.length < 2
      ? []
      : names.filter((name) => !name.toLowerCase().startsWith(small) && name.toLowerCase().includes(small));
  return [...begin, ...within].slice(0, OFFERS);
}

/** Where a mistake is: the error says line and column, both from one. */
export function mistake(text: string, message: string): { line: string; caret: string } | undefined {
  const [, row, at] = /(\d+):(\d+): /.exec(message) ?? [];
  if (row === undefined || at === undefined) return undefined;
  const line = text.split("\n")[Number(row) - 1];
  return line === undefined ? undefined : { line, caret: `${" ".repeat(Number(at) - 1)}^` };
}
