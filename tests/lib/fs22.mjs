// fs22 - lets a program that imports fs.globSync (Node 22) load on Node 20; it is not called here. node --import ./fs22.mjs
import fs from 'node:fs';
import { register } from 'node:module';

const data = (source) => `data:text/javascript,${encodeURIComponent(source)}`;
const fs22 = data('export * from "node:fs"; export { default } from "node:fs"; export const globSync = () => [];');
if (!fs.globSync) register(data(`export const resolve = (name, context, next) => name === "fs" ? { url: ${JSON.stringify(fs22)}, shortCircuit: true } : next(name, context);`));
