// Sends COUNT messages of about 20 kB through nodemailer's pool and prints the seconds: node nodemailer.mjs FOLDER PORT COUNT CONNECTIONS
import { createRequire } from 'node:module';
const [folder, port, count, connections] = process.argv.slice(2);
const nodemailer = createRequire(folder + '/')('nodemailer');
const pool = nodemailer.createTransport({
    pool: true, host: '127.0.0.1', port: Number(port), secure: false, ignoreTLS: true,
    maxConnections: Number(connections), maxMessages: Infinity,
});
const html = '<p>Sending mail to many people is mostly waiting, and the art is to wait for everything at once.</p>\n'.repeat(200);
const start = performance.now();
await Promise.all(Array.from({ length: Number(count) }, (_, i) => pool.sendMail({
    from: 'Example Post <post@example.org>', to: `reader${i}@example.com`, subject: `Hello Reader ${i}`,
    text: `Hello Reader ${i}\n\nSee the HTML part.\n`, html: `<h1>Hello Reader ${i}</h1>\n${html}`,
})));
console.log(((performance.now() - start) / 1000).toFixed(3));
pool.close();
