// Reads flowcharts from standard input, a JSON list of texts, and prints what Mermaid makes of each.
import { JSDOM } from "jsdom";

const { window } = new JSDOM("");
globalThis.window = window;
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");
mermaid.initialize({ startOnLoad: false });

let text = "";
for await (const part of process.stdin) text += part;

const found = [];
for (const flowchart of JSON.parse(text)) {
  try {
    const diagram = await mermaid.mermaidAPI.getDiagramFromText(flowchart);
    const { db } = diagram;
    found.push({
      type: diagram.type,
      labels: [...db.getVertices().values()].map((vertex) => vertex.text),
      edges: db.getEdges().map((edge) => [edge.start, edge.end, edge.text]),
      groups: db.getSubGraphs().map((group) => group.title),
    });
  } catch (error) {
    found.push({ error: String(error) });
  }
}
console.log(JSON.stringify(found));
