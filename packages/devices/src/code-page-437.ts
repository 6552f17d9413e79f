// Table: code page 437 as a PC's character generator shows it. [UNICODE-CP437]
const LOW = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼';
const HIGH =
  '⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀' +
  'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ';

/** The Unicode character for a byte of text memory. */
export function codePage437(code: number): string {
  if (code < 0x20) return LOW[code] ?? ' ';
  return code < 0x7f ? String.fromCharCode(code) : (HIGH[code - 0x7f] ?? ' ');
}
