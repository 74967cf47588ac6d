/*
 * Vector recorder: executes single instructions on the real processor and reports the state before and after.
 *
 * Reads a stream of `struct request` from standard input and writes one `struct result` per request to standard output.
 * Every case is entered by returning from a signal handler with a prepared context and the trap flag set, so exactly one
 * instruction runs (REP forms: until RIP moves); the next signal hands back the whole state. Nothing but user mode is needed.
 *
 * Address map of the sandbox (all below 4 GiB so that 32-bit code can use it):
 *   0x10000000  code page, the instruction stands at +0x100
 *   0x10010000  data page; its last 1024 bytes are the window that is set and reported, the pages around it are unmapped
 * Code segments: mode 0 = 64-bit (0x33), 1 = 32-bit compatibility (0x23), 2 = 16-bit segments of the LDT (code base
 * 0x10000000, data and stack base 0x10010000, limit 0xfff).
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x10000000ull
#define ENTRY 0x100
#define DATA 0x10010000ull
#define PAGE 4096
#define WINDOW 1024
#define GS_BASE 0x10010800ull
#define CODE16 0x07
#define DATA16 0x0f
#define BATCH 2048
#define TF 0x100u

struct request {
  uint8_t length, mode, repeat, unused[5];
  uint8_t code[16];
  uint64_t gpr[16]; /* in encoding order: rax rcx rdx rbx rsp rbp rsi rdi r8 ... r15 */
  uint64_t flags;
  uint8_t fx[416]; /* FXSAVE image without its reserved tail */
  uint8_t window[WINDOW];
};

struct result {
  uint8_t vector; /* 255: the instruction completed */
  uint8_t spilled; /* 1: the data page changed outside the window, or the case could not be run */
  uint8_t unused[2];
  uint32_t error;
  uint64_t cr2, rip, flags;
  uint64_t gpr[16];
  uint8_t fx[416];
  uint8_t window[WINDOW];
};

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
static struct request requests[BATCH];
static struct result results[BATCH];
static int count, current, steps;
static greg_t home[NGREG];
static uint8_t homeFx[416];
static int haveLdt;

static uint8_t *const code = (uint8_t *)CODE;
static uint8_t *const data = (uint8_t *)DATA;

static void setData(unsigned selector) {
  __asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(selector));
}

static void enter(ucontext_t *context) {
  const struct request *q = &requests[current];
  greg_t *g = context->uc_mcontext.gregs;
  uint8_t *frame = (uint8_t *)context->uc_mcontext.fpregs;
  memset(code, 0xcc, PAGE);
  memcpy(code + ENTRY, q->code, q->length);
  memset(data, 0, PAGE - WINDOW);
  memcpy(data + PAGE - WINDOW, q->window, WINDOW);
  for (int i = 0; i < 16; i++) g[order[i]] = (greg_t)q->gpr[i];
  g[REG_RIP] = q->mode == 2 ? ENTRY : (greg_t)(CODE + ENTRY);
  g[REG_EFL] = (greg_t)(q->flags | TF | 0x202);
  unsigned cs = q->mode == 0 ? 0x33 : q->mode == 1 ? 0x23 : CODE16;
  unsigned ss = q->mode == 2 ? DATA16 : 0x2b;
  g[REG_CSGSFS] = (g[REG_CSGSFS] & 0x0000ffffffff0000ll) | cs | ((greg_t)ss << 48);
  setData(ss);
  memcpy(frame, q->fx, 416);
  *(uint64_t *)(frame + 512) |= 3; /* XSTATE_BV: restore x87 and SSE from the frame */
  steps = 0;
}

static void leave(const ucontext_t *context, int vector) {
  struct result *r = &results[current];
  const greg_t *g = context->uc_mcontext.gregs;
  const uint8_t *frame = (const uint8_t *)context->uc_mcontext.fpregs;
  memset(r, 0, sizeof *r);
  r->vector = (uint8_t)vector;
  r->error = vector == 255 ? 0 : (uint32_t)g[REG_ERR];
  r->cr2 = vector == 14 ? (uint64_t)g[REG_CR2] : 0;
  r->rip = (uint64_t)g[REG_RIP];
  r->flags = (uint64_t)g[REG_EFL] & ~(uint64_t)TF;
  for (int i = 0; i < 16; i++) r->gpr[i] = (uint64_t)g[order[i]];
  memcpy(r->fx, frame, 416);
  uint64_t present = *(const uint64_t *)(frame + 512);
  if (!(present & 1)) { /* x87 in its initial state: the frame's bytes are not defined */
    memset(r->fx, 0, 24);
    memset(r->fx + 32, 0, 128);
    r->fx[0] = 0x7f;
    r->fx[1] = 0x03;
  }
  if (!(present & 2)) memset(r->fx + 160, 0, 256);
  memcpy(r->window, data + PAGE - WINDOW, WINDOW);
  for (int i = 0; i < PAGE - WINDOW; i++)
    if (data[i]) r->spilled = 1;
}

static void handler(int signal, siginfo_t *info, void *opaque) {
  (void)info;
  /* What sigreturn does not restore comes from the handler itself, and AC would fault in here: run without NT, AC and ID. */
  __asm__ volatile("pushfq; andq $~0x244000, (%%rsp); popfq" ::: "memory", "cc");
  ucontext_t *context = opaque;
  greg_t *g = context->uc_mcontext.gregs;
  if (current < 0) { /* the breakpoint of runBatch */
    memcpy(home, g, sizeof home);
    memcpy(homeFx, context->uc_mcontext.fpregs, 416);
    current = 0;
  } else {
    const struct request *q = &requests[current];
    int completed = signal == SIGTRAP && g[REG_TRAPNO] == 1;
    uint64_t start = q->mode == 2 ? ENTRY : CODE + ENTRY;
    if (completed && q->repeat && (uint64_t)g[REG_RIP] == start && ++steps < 4096) {
      g[REG_EFL] |= TF;
      return;
    }
    leave(context, completed ? 255 : (int)g[REG_TRAPNO]);
    current++;
  }
  while (current < count && requests[current].mode == 2 && !haveLdt) results[current++].spilled = 1;
  if (current < count) {
    enter(context);
    return;
  }
  memcpy(g, home, sizeof home);
  memcpy(context->uc_mcontext.fpregs, homeFx, 416);
  *(uint64_t *)((uint8_t *)context->uc_mcontext.fpregs + 512) |= 3;
  setData(0);
}

static void runBatch(int n) {
  count = n;
  current = -1;
  __asm__ volatile("int3" ::: "memory");
}

static int segment(unsigned index, unsigned long base, int contents) {
  struct user_desc d = {.entry_number = index, .base_addr = (unsigned)base, .limit = 0xfff, .seg_32bit = 0,
                        .contents = (unsigned)contents, .read_exec_only = 0, .limit_in_pages = 0, .seg_not_present = 0, .useable = 1};
  return (int)syscall(SYS_modify_ldt, 1, &d, sizeof d);
}

int main(void) {
  if (mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != code ||
      mmap(data, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != data) {
    perror("recorder: mapping the sandbox");
    return 1;
  }
  static uint8_t stack[1 << 18];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  const int signals[] = {SIGTRAP, SIGSEGV, SIGFPE, SIGILL, SIGBUS};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  haveLdt = segment(0, CODE, MODIFY_LDT_CONTENTS_CODE) == 0 && segment(1, DATA, MODIFY_LDT_CONTENTS_DATA) == 0;
  syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE);
  size_t n;
  while ((n = fread(requests, sizeof *requests, BATCH, stdin)) > 0) {
    runBatch((int)n);
    if (fwrite(results, sizeof *results, n, stdout) != n) return 1;
  }
  return 0;
}
