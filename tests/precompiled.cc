// The program that the precompiled headers of all tests belong to; nobody runs it.
