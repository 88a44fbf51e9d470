import assert from "node:assert/strict";
import { test } from "node:test";
import type { TreeNode } from "../../src/protocol";
import { TreeCache } from "../../src/tree-cache";

/** A tree that answers as the server does, and counts what it is asked. */
class World {
  version = 1;
  readonly asked: (string | undefined)[] = [];
  readonly lists = new Map<string | undefined, TreeNode[]>();
  readonly cache = new TreeCache((nodeId) => {
    this.asked.push(nodeId);
    return Promise.resolve({ version: this.version, nodes: this.lists.get(nodeId) ?? [] });
  });

  constructor() {
    this.lists.set(undefined, [node("running"), node("paused")]);
    this.lists.set("running", [node("m1", "Tally")]);
    this.lists.set("paused", [node("m2", "Other")]);
    this.lists.set("m1", [node("f1"), node("f2")]);
  }

  async open(...ids: (string | undefined)[]): Promise<void> {
    for (const id of ids) await this.cache.children(id);
    this.asked.length = 0;
    this.version += 1;
  }
}

const node = (id: string, label = id, description = ""): TreeNode => ({ id, label, description, collapsible: "collapsed" });

test("a line that changed is drawn again and its neighbours are not", async () => {
  const world = new World();
  await world.open(undefined, "running", "paused", "m1");
  world.lists.set("m1", [node("f1", "f1", "50 %"), node("f2")]);
  assert.deepEqual(await world.cache.update(new Set(["f1"])), { roots: false, ids: ["f1"] });
  assert.equal(world.cache.node("f1")?.description, "50 %");
  assert.deepEqual(world.asked, ["m1"]);
});

test("nothing is drawn for a change that shows nothing else", async () => {
  const world = new World();
  await world.open(undefined, "running", "paused", "m1");
  assert.deepEqual(await world.cache.update(new Set(["f1"])), { roots: false, ids: [] });
});

test("a node that is open and has changed gets its children asked for again by the view", async () => {
  const world = new World();
  await world.open(undefined, "running", "paused", "m1");
  assert.deepEqual(await world.cache.update(new Set(["m1"])), { roots: false, ids: ["m1"] });
});

test("a child that comes or goes draws its parent again, once for many", async () => {
  const world = new World();
  await world.open(undefined, "running", "paused", "m1");
  world.lists.set("m1", [node("f1"), node("f2"), node("f3")]);
  assert.deepEqual(await world.cache.update(new Set(["m1", "f1", "f2"])), { roots: false, ids: ["m1"] });
  assert.deepEqual(world.asked.sort(), ["m1", "running"]);
});

test("a node that moves from one section to another draws the whole tree, because its id must not be twice in it", async () => {
  const world = new World();
  await world.open(undefined, "running", "paused", "m1");
  world.lists.set("running", []);
  world.lists.set("paused", [node("m2", "Other"), node("m1", "Tally")]);
  const changes = await world.cache.update(new Set(["m1", "m2"]));
  assert.equal(changes.roots, true);
  assert.equal(world.cache.parent("m1"), "paused");
});

test("an id that was never shown is none of the view's business", async () => {
  const world = new World();
  await world.open(undefined);
  assert.deepEqual(await world.cache.update(new Set(["f9"])), { roots: false, ids: [] });
  assert.deepEqual(world.asked, []);
});

test("an answer that was overtaken by a newer one is dropped, and a new server counts anew", async () => {
  const world = new World();
  await world.open(undefined, "running", "m1");
  await world.cache.children("m1");
  world.version = 1;
  world.lists.set("m1", [node("f1", "old")]);
  assert.deepEqual(await world.cache.children("m1"), ["f1", "f2"]);
  world.cache.newServer();
  assert.deepEqual(await world.cache.children("m1"), ["f1"]);
});

test("the way to a node that is not shown yet makes it findable", () => {
  const world = new World();
  world.cache.learnWay([node("running"), node("m1")], "f2");
  assert.equal(world.cache.parent("f2"), "m1");
  assert.equal(world.cache.parent("m1"), "running");
  assert.equal(world.cache.isRoot("running"), true);
  assert.equal(world.cache.isRoot("f2"), false);
});

test("a row that gets its first children and wants to show them is told once", async () => {
  const world = new World();
  world.lists.set(undefined, [{ id: "running", label: "Running", collapsible: "none" }]);
  await world.open(undefined);
  world.lists.set(undefined, [{ id: "running", label: "Running", collapsible: "expanded" }]);
  assert.deepEqual((await world.cache.update(new Set(["running"]))).ids, ["running"]);
  assert.deepEqual(world.cache.takeOpened(), ["running"]);
  assert.deepEqual(world.cache.takeOpened(), []);
});
