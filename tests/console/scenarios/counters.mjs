// Gives the page's counters a stream with faults: they must notice each.

export default async function ({ open }) {
  const page = await open();
  return page.evaluate(async () => {
    const { Tally } = await import("/console/tally.js");
    const seen = {};
    for (const [name, numbers] of Object.entries({
      whole: [1, 2, 3],
      hole: [1, 2, 5],
      twice: [1, 2, 2, 1],
      swapped: [1, 3, 2, 4],
      late: [3, 1, 1],
    })) {
      const tally = new Tally();
      for (const number of numbers) tally.take(number);
      const { received, lost, doubled, disordered } = tally;
      seen[name] = [received, lost, doubled, disordered];
    }
    return seen;
  });
}
