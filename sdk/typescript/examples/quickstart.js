import { Client } from "longwire";

const client = new Client("ws://localhost:8000/v1/connect");
client.on("state", (state) => console.log("connection:", state));

const room = client.subscribe("chat:1", { start: { last: 10 } });
room.on("lost", ({ from, to }) => console.log(`records ${from + 1} to ${to} are no longer kept`));

await client.publish("chat:1", { text: "Hello" });
for await (const { seq, data } of room) {
  console.log(seq, data);
}
