import type { Cell } from "./recent";

/** Each line on top of those before it. A place without any value stays one. */
export function stack(cells: Cell[][]): Cell[][] {
  const sums: Cell[][] = [];
  for (const line of cells) {
    const below = sums.at(-1);
    sums.push(
      line.map((value, place) => {
        if (typeof value !== "number") return value;
        const under = below?.[place];
        return value + (typeof under === "number" ? under : 0);
      }),
    );
  }
  return sums;
}
