/*
 * A user of /dev/kvm that runs one guest to its end: a page of real-mode code that computes, writes a port, reads memory that is not
 * there, and halts. Says on standard output what the guest did; status 0 when it did what it should.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE_AT 0x1000
#define PAGE 4096

static const unsigned char code[] = {
    0xba, 0xf8, 0x03,       /* mov dx, 3F8h */
    0x00, 0xd8,             /* add al, bl */
    0x04, 0x30,             /* add al, '0' */
    0xee,                   /* out dx, al */
    0xa0, 0x00, 0x80,       /* mov al, [8000h] */
    0xee,                   /* out dx, al */
    0xb9, 0x10, 0x27,       /* mov cx, 10000 */
    0x49, 0x75, 0xfd,       /* dec cx; jnz $-1 */
    0xb0, '!', 0xee,        /* mov al, '!'; out dx, al */
    0xf4,                   /* hlt */
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

int main(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        fail("/dev/kvm");
    printf("kvm: version %d\n", ioctl(kvm, KVM_GET_API_VERSION, 0));
    int vm = ioctl(kvm, KVM_CREATE_VM, 0UL);
    if (vm < 0)
        fail("KVM_CREATE_VM");
    unsigned char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    memcpy(memory, code, sizeof code);
    struct kvm_userspace_memory_region region = {
        .slot = 0, .guest_phys_addr = CODE_AT, .memory_size = PAGE, .userspace_addr = (unsigned long)memory};
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        fail("KVM_SET_USER_MEMORY_REGION");
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
    if (vcpu < 0)
        fail("KVM_CREATE_VCPU");
    long size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL);
    struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED)
        fail("mmap of the vCPU");
    struct kvm_sregs sregs;
    if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
        fail("KVM_GET_SREGS");
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
        fail("KVM_SET_SREGS");
    struct kvm_regs regs = {.rip = CODE_AT, .rax = 2, .rbx = 2, .rflags = 2};
    if (ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
        fail("KVM_SET_REGS");
    for (int exits = 1; exits < 100; exits++) {
        if (ioctl(vcpu, KVM_RUN, 0UL) < 0)
            fail("KVM_RUN");
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
            printf("kvm: port %x gets %c\n", run->io.port, *((char *)run + run->io.data_offset));
            break;
        case KVM_EXIT_MMIO:
            printf("kvm: %s of %llx\n", run->mmio.is_write ? "write" : "read", (unsigned long long)run->mmio.phys_addr);
            run->mmio.data[0] = 'm';
            break;
        case KVM_EXIT_HLT:
            printf("kvm: halted after %d exits\n", exits);
            return 0;
        default:
            printf("kvm: exit %u, %llx\n", run->exit_reason, (unsigned long long)run->hw.hardware_exit_reason);
            return 1;
        }
    }
    return 1;
}
