// A built-in generator, no model: it makes an answer of about three hundred pieces from a question, always the same one.
//
// What it says is true of the server, so that the wait for its end is not wasted.

/** The pieces of the answer to a question. Joined they are the text. */
export function answerTo(question) {
  const pick = chooser(question);
  const topic = topicOf(question);
  const paragraphs = [
    pick([
      `You asked about ${topic}. I have to be honest first: nobody thought about it. These words come from a small generator that is built into the page, and no model is behind it. What is real is the way they take to you, and that is worth a closer look.`,
      `A fair question, ${topic}, and it deserves a fair answer: there is no model here. A small generator in the page wrote this text before you saw its first word. The journey of each word, though, is the real thing.`,
      `Let me be plain about ${topic}: I know nothing of it. I am a generator of a few paragraphs, and no model. But I can show you something about answers, of whoever wrote them, because this one travels as every answer should.`,
    ]),
    pick([
      "Each piece of this text is a record in a channel of its own. The server writes it to disk, waits until the disk says that it is there, and only then hands it to anybody. So nothing that you have read can be taken back by a crash.",
      "Every word here is a record of its own, and a long one is two. The server puts it into its log, has the disk confirm it, and then sends it to whoever listens. You never read anything that a power cut could still undo.",
    ]),
    pick([
      `Now try to spoil it. Refresh the page in the middle of this sentence: the text comes back from its beginning and goes on, as if you had never left. Open it in a second window, and both show the same. Whether the words are about ${topic} or about the weather makes no difference to them.`,
      `Go on, be rude to it. Reload the page while this line is being written, or open a second window beside the first. The text is read again from its first piece, and then it goes on live, without a seam. It would do the same for any answer on ${topic}.`,
    ]),
    pick([
      "You can even kill the server. The generator's hand dies with it, in the middle of a word perhaps. When the server is back, this page asks for the rest, and names how many pieces it has. Each piece carries a key, so a piece that was written before the crash is recognised and not written twice.",
      "Killing the server is allowed, too. Whoever was typing is then gone, and for a moment nothing comes. After the restart the page asks for what is missing. Each piece has a key that the log remembers, so asking twice, from two windows, gives you every piece once.",
    ]),
    pick([
      "The figures below are counted by the page alone. The pieces are numbered by whoever wrote them, and the page compares: how many are missing, how many came twice. If something were wrong, it would say so in red.",
      "Have a look at the figures below the text. They are not the server's: the page compares the number on every piece with the ones before it. A hole or a double would be counted there, and shown in red.",
    ]),
    pick([
      `That is all I have on ${topic}. The answer is complete now, its channel has an end, and it will read the same tomorrow, from the same address.`,
      `And that is the end of it. The channel is closed for writing, as an answer should be once it is complete. Keep the address: the text on ${topic} stays readable for as long as the server keeps it.`,
    ]),
  ];
  return pieces(paragraphs.join("\n\n"));
}

/** Splits a text as models do: mostly at words, and long words in two. */
function pieces(text) {
  return text.match(/\s*\S+/g).flatMap((word) => (word.trim().length > 8 ? halves(word) : [word]));
}

function halves(word) {
  const letters = [...word];
  const middle = Math.ceil(letters.length / 2);
  return [letters.slice(0, middle).join(""), letters.slice(middle).join("")];
}

/** What a question is about: itself, where it is short, and otherwise its longest words. */
function topicOf(question) {
  const words = question.match(/[\p{L}\p{N}'’-]+/gu) ?? [];
  if (!words.length) return "that";
  if (words.length <= 4) return `“${words.join(" ")}”`;
  const long = [...words].sort((a, b) => b.length - a.length).slice(0, 2).map((word) => word.slice(0, 40));
  return words
    .map((word) => word.slice(0, 40))
    .filter((word, index, all) => long.includes(word) && all.indexOf(word) === index)
    .slice(0, 2)
    .map((word) => `“${word}”`)
    .join(" and ");
}

/** Chooses by the question, so that the same one has the same answer after any reload. */
function chooser(question) {
  let state = 2166136261;
  for (const letter of question) state = Math.imul(state ^ letter.codePointAt(0), 16777619) >>> 0;
  return (choices) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return choices[(state >>> 16) % choices.length];
  };
}
